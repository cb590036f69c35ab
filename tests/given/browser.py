"""A headless Chromium, driven over a pipe by the DevTools protocol, with real events.

Nothing is installed for it: messages are JSON, each ended by a NUL, on descriptors 3 and 4.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WHY = "no chromium here: apt-get install chromium"
if not CHROMIUM and os.environ.get("IMTRANS_TESTS_NEED_BROWSER"):
    raise RuntimeError(WHY)  # where tests decide over a release, none may be skipped for it
PATIENCE = 60  # s
FLAGS = [
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --no-proxy-server",
    "--disable-background-networking --disable-component-update --disable-sync",
    "--remote-debugging-pipe --hide-scrollbars --disable-dev-shm-usage",
    # A camera that shows a moving pattern, and that every page may use.
    "--use-fake-device-for-media-stream --use-fake-ui-for-media-stream",
]
KEYS = {
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Enter": 13,
    "Escape": 27,
    "Tab": 9,
    "Home": 36,
    "End": 35,
}


def _high(descriptor):
    """A copy whose number is neither 3 nor 4."""
    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return copy


class Browser:
    """One Chromium for many pages. Close it, or its processes stay."""

    def __init__(self, profile: Path):
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        to_read, to_write = _high(to_read), _high(to_write)
        command = [CHROMIUM, *" ".join(FLAGS).split(), f"--user-data-dir={profile}"]
        # Nothing outside this machine has an address for it.
        command.append("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
        quiet = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        actions = [
            *((os.POSIX_SPAWN_DUP2, quiet, number) for number in (0, 1, 2)),
            (os.POSIX_SPAWN_DUP2, to_read, 3),
            (os.POSIX_SPAWN_DUP2, to_write, 4),
        ]
        self.pid = os.posix_spawn(CHROMIUM, command, os.environ, file_actions=actions, setsid=True)
        for descriptor in (to_read, to_write, quiet):
            os.close(descriptor)
        self._number, self._buffer, self._heard = 0, b"", []

    def send(self, method, session=None, **parameters):
        """What the browser answers. Raises AssertionError when it refuses, or does not answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda heard: heard.get("id") == message["id"], method)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def wait(self, method, session):
        """The next event of this kind that was not yet waited for."""
        return self._until(
            lambda heard: heard.get("method") == method and heard.get("sessionId") == session,
            method,
        )

    def drain(self, seconds=0.05):
        """Hear what has happened meanwhile."""
        while self._hear(seconds):
            pass

    def events(self, session):
        return [one for one in self._heard if one.get("sessionId") == session and "method" in one]

    def _until(self, fits, what):
        end = time.monotonic() + PATIENCE
        while True:
            for message in self._heard:
                if fits(message) and not message.get("waited"):
                    message["waited"] = True
                    return message
            assert time.monotonic() < end, f"chromium does not answer to {what}"
            self._hear(1)

    def _hear(self, seconds):
        if not select.select([self._in], [], [], seconds)[0]:
            return False
        read = os.read(self._in, 1 << 20)
        assert read, "chromium has ended"
        *messages, self._buffer = (self._buffer + read).split(b"\0")
        self._heard += map(json.loads, messages)
        return True

    def open(self, file, **options):
        return Page(self, file, **options)

    def close(self):
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._in)
        os.close(self._out)


class Page:
    """A file, or an address of this machine, in a tab, at a width in px, light or dark."""

    def __init__(self, browser, file, *, width=1440, height=900, scheme="light", script=True):
        self.browser, self.address = browser, str(file)
        if not self.address.startswith("http://"):
            self.address = Path(file).resolve().as_uri()
        self.width = width
        self._tab = browser.send("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.send("Target.attachToTarget", targetId=self._tab, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        if not script:
            self.send("Emulation.setScriptExecutionDisabled", value=True)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.send("Emulation.setEmulatedMedia", features=features)
        self.send("Page.navigate", url=self.address)
        browser.wait("Page.loadEventFired", self.session)

    def send(self, method, **parameters):
        return self.browser.send(method, self.session, **parameters)

    def evaluate(self, code):
        """The value of an expression, or of the promise that it is."""
        answer = self.send(
            "Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, code):
        """The value of an expression once it is true. Raises AssertionError if it never is."""
        end = time.monotonic() + PATIENCE
        while not (value := self.evaluate(code)):
            assert time.monotonic() < end, f"never true: {code}; {self.problems}"
            time.sleep(0.02)
        return value

    def upload(self, selector, file):
        """Choose a file, as a person does in the dialogue of an <input type="file">."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(Path(file).resolve())])

    def box(self, selector):
        """Left, top, width and height of an element, scrolled into view (px)."""
        return self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()"
        )

    def mouse(self, kind, x, y, **more):
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, selector):
        left, top, width, height = self.box(selector)
        at = left + width / 2, top + height / 2
        self.drag(at, at)

    def drag(self, start, end):
        """Press at one point, move, and let go at another."""
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start, button="left", clickCount=1)
        for share in (0.25, 0.5, 0.75, 1):
            point = [a + (b - a) * share for a, b in zip(start, end, strict=True)]
            self.mouse("mouseMoved", *point, button="left", buttons=1)
        self.mouse("mouseReleased", *end, button="left", clickCount=1)

    def touch(self, *points):
        """Put a finger down, move it, and lift it."""
        for number, (x, y) in enumerate(points):
            kind = "touchMove" if number else "touchStart"
            self.send("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def key(self, key, *, control=False):
        code = KEYS.get(key, ord(key[0].upper()))
        fields = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 2 * control}
        if (len(key) == 1 or key == "Enter") and not control:
            fields["text"] = "\r" if key == "Enter" else key
        self.send("Input.dispatchKeyEvent", type="keyDown", **fields)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    @property
    def problems(self):
        """What the page complains of: console, exceptions, the browser's own log."""
        self.browser.drain()
        wrong = []
        for event in self.browser.events(self.session):
            method, facts = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                wrong.append(str(facts["exceptionDetails"]))
            elif method == "Runtime.consoleAPICalled":
                wrong.append(str(facts["args"]))
            elif method == "Log.entryAdded":
                wrong.append(f"{facts['entry']['text']} {facts['entry'].get('url', '')[:100]}")
        return wrong

    @property
    def requests(self):
        """What the page asked for, but for itself and what it brings along: what is in its text,
        and, of an address, what is at the same host."""
        self.browser.drain()
        asked = [
            event["params"]["request"]["url"]
            for event in self.browser.events(self.session)
            if event["method"] == "Network.requestWillBeSent"
        ]
        host = "/".join(self.address.split("/")[:3]) + "/"
        own = ("data:", f"blob:{host}", host) if host.startswith("http") else ("data:",)
        return [each for each in asked if each != self.address and not each.startswith(own)]

    def overflow(self):
        """How much wider the page is than its window (px). A phone widens the window too."""
        wide = "Math.max(document.documentElement.scrollWidth, window.innerWidth)"
        return self.evaluate(wide) - self.width

    def screenshot(self, file, *, whole=False):
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(file).write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.browser.send("Target.closeTarget", targetId=self._tab)
