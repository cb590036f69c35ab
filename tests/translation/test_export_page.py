"""The page of docs/export.md, with onnxruntime-web in a browser, makes what onnxruntime makes."""

import os
import re
import shutil
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from drawn import draw_picture
from PIL import Image

import imtrans as public

ROOT = Path(__file__).parents[2]
WEB = ROOT / "build" / "web"  # npm install --prefix build/web onnxruntime-web@1.30.0
RUNTIME = WEB / "node_modules" / "onnxruntime-web" / "dist"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 120  # s
TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm", ".html": "text/html"}
QUIET = [
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --no-proxy-server",
    "--disable-background-networking --disable-component-update --disable-sync",
]

# What a person does with the page, and how the test hears of it.
USER = """
<script type="module">
  const content = await (await fetch("house.png")).blob();
  const chosen = new DataTransfer();
  chosen.items.add(new File([content], "house.png", { type: "image/png" }));
  const said = document.getElementById("took");
  const send = (body) => fetch("/made", { method: "POST", body });
  window.addEventListener("unhandledrejection", (event) => send(`error: ${event.reason}`));
  new MutationObserver(() => {
    if (!said.textContent.endsWith(" ms")) return;
    const canvas = document.getElementById("canvas");
    const size = [0, 0, canvas.width, canvas.height];
    send(canvas.getContext("2d").getImageData(...size).data);
  }).observe(said, { childList: true });
  const input = document.getElementById("file");
  while (!input.onchange) await new Promise((later) => setTimeout(later, 20));
  input.files = chosen.files;
  input.dispatchEvent(new Event("change"));
</script>
"""


def page(stride):
    (text,) = re.findall(r"```html\n(.*?)```", (ROOT / "docs" / "export.md").read_text(), re.DOTALL)
    assert "STRIDE = 256;" in text
    return text.replace("STRIDE = 256;", f"STRIDE = {stride};") + USER


class Served:
    """A folder, and the runtime, on this machine; what the page sends back is `made`."""

    def __init__(self, folder):
        self.made, self.asked, self._heard = b"", [], threading.Event()
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                served.asked.append(self.path)
                place = WEB if self.path.startswith("/node_modules/") else folder
                file = place / self.path.lstrip("/")
                self.send_response(200 if file.is_file() else 404)
                self.send_header("Content-Type", TYPES.get(file.suffix, "image/png"))
                self.end_headers()
                if file.is_file():
                    self.wfile.write(file.read_bytes())

            def do_POST(self):
                served.made = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()
                served._heard.set()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def heard(self):
        return self._heard.wait(PATIENCE)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def visit(address, profile):
    options = [*" ".join(QUIET).split(), f"--user-data-dir={profile}"]
    # Nothing outside this machine has an address for it.
    options.append("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    return subprocess.Popen(
        [CHROMIUM, *options, address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.thorough
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
@pytest.mark.skipif(
    not RUNTIME.is_dir(), reason="npm install --prefix build/web onnxruntime-web@1.30.0"
)
def test_the_page_of_the_docs_makes_what_onnxruntime_makes(finished_run, tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    public.export(finished_run(tmp_path / "run"), folder / "my-task.onnx")
    draw_picture(3, (64, 96)).save(folder / "house.png")
    (folder / "index.html").write_text(page(stride=32))
    site = Served(folder)
    browser = visit(f"http://127.0.0.1:{site.server.server_port}/index.html", tmp_path / "profile")
    try:
        assert site.heard(), f"the page said nothing; it asked for {site.asked}"
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
        site.close()
    assert not site.made.startswith(b"error"), site.made
    made = np.frombuffer(site.made, np.uint8).reshape(96, 64, 4)
    session = onnxruntime.InferenceSession(folder / "my-task.onnx")
    source = np.asarray(Image.open(folder / "house.png"), np.float32).transpose(2, 0, 1)[None]
    (output,) = session.run(None, {"source": source})
    expected = output[0].transpose(1, 2, 0).round().astype(int)
    assert np.ptp(expected) > 50  # a picture
    assert np.abs(made[:, :, :3].astype(int) - expected).max() <= 1
    assert (made[:, :, 3] == 255).all()
