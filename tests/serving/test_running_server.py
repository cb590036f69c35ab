"""A server in a process of its own: its HTTP API, its page in a browser, and what it survives."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, WHY, Browser
from drawn import draw_picture
from PIL import Image
from running_server import at_once, running_server

from imtrans.serving.uploads import FILES_ALONE
from imtrans.translation.loading import load

pytestmark = pytest.mark.thorough

DOCS = Path(__file__).parents[2] / "docs" / "serve.md"
NO_ARGUMENTS = "not the arguments of this call, all of them and in order; see /gradio_api/info"
# Of gradio's own client, when a stream that it has not opened yet is closed.
OF_GRADIO = "Method not implemented."


@pytest.fixture(scope="module")
def folder(tmp_path_factory, trained_once):
    """A working folder with two runs, and files to send."""
    found = tmp_path_factory.mktemp("serving")
    shutil.copytree(trained_once / "run", found / "runs" / "tiny")
    shutil.copytree(trained_once / "run", found / "runs" / "other")
    draw_picture(3, (90, 50)).save(found / "photo.png")
    draw_picture(5, (70, 60)).save(found / "second.jpg")
    (found / "broken.png").write_bytes(b"no picture")
    return found


@pytest.fixture(scope="module")
def server(folder):
    with running_server(
        folder, "tiny", "runs/other", "--max-pixels", "100000", "--max-mb", "1"
    ) as s:
        yield s
    assert "Traceback" not in s.said


@pytest.fixture(scope="module")
def client(server):
    gradio_client = pytest.importorskip("gradio_client")
    return gradio_client.Client(server.url, verbose=False)


def handle(path):
    from gradio_client import handle_file

    return handle_file(str(path))


def test_programs_hear_what_is_served(client):
    facts = client.predict(api_name="/runs")
    assert [each["run"] for each in facts] == ["tiny", "other"]
    assert facts[0]["size"] == [64, 64]
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {
        "/runs",
        "/translate",
        "/batch",
    }


def test_gradio_client_gets_the_exact_file(client, folder):
    found = client.predict(handle(folder / "photo.png"), run="tiny", api_name="/translate")
    wanted = load(folder / "runs" / "tiny", device="cpu")(folder / "photo.png")
    with Image.open(found) as image:
        assert np.array_equal(np.asarray(image), np.asarray(wanted))


def test_gradio_client_gets_a_zip_and_what_became_of_each(client, folder):
    files = [handle(folder / name) for name in ("photo.png", "second.jpg", "broken.png")]
    place, became = client.predict(files, run="other", seed=2, api_name="/batch")
    with zipfile.ZipFile(place) as found:
        assert found.namelist() == ["photo.png", "second.png"]
    line = "broken.png: not an image, or one that cannot be read"
    assert became == {"done": 2, "skipped": [line]}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"run": "tiny", "image": "broken.png"}, "broken.png: not an image"),
        ({"run": "none", "image": "photo.png"}, "no run of this name; there are 'tiny', 'other'"),
        ({"image": "photo.png"}, "which run? 'tiny', 'other'"),
        ({"run": "tiny", "image": "photo.png", "seed": -1}, "seed -1"),
        ({"run": "tiny", "image": "photo.png", "seed": 0.5}, "seed: not a whole number"),
    ],
    ids=str,
)
def test_a_mistake_of_a_program_is_one_line(client, folder, given, line):
    given = given | {"image": handle(folder / given["image"])}
    with pytest.raises(Exception, match=re.escape(line)) as caught:
        client.predict(**given, api_name="/translate")
    assert "\n" not in str(caught.value)
    assert str(folder) not in str(caught.value)


def curl(*arguments):
    return subprocess.run(
        ["curl", "-s", "--max-time", "60", *arguments], capture_output=True, text=True, check=True
    ).stdout


def called(server, name, data):
    """As docs/serve.md shows it: a call, and its events; returns the last event and its data."""
    at = f"{server.url}gradio_api/call/{name}"
    answer = json.loads(
        curl(at, "-H", "Content-Type: application/json", "-d", json.dumps({"data": data}))
    )
    if "event_id" not in answer:
        return "refused", answer
    *_, event, found = curl("-N", f"{at}/{answer['event_id']}").strip().splitlines()
    return event.removeprefix("event: "), json.loads(found.removeprefix("data: "))


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
def test_curl_uploads_calls_and_fetches(server, folder):
    upload = f"{server.url}gradio_api/upload"
    (path,) = json.loads(curl(upload, "-F", f"files=@{folder / 'photo.png'}"))
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    event, (made,) = called(server, "translate", [file, "tiny", None, None])
    assert event == "complete"
    result = folder / "by_curl.png"
    curl("-o", str(result), f"{server.url}gradio_api/file={made['path']}")
    with Image.open(result) as image:
        assert image.size == (90, 50)
    assert called(server, "runs", [])[1][0][0]["run"] == "tiny"
    event, why = called(server, "translate", [file, "none", None, None])
    assert (event, "no run of this name" in why["error"]) == ("error", True)


def documented(kind, server):
    """The blocks of a kind of docs/serve.md, for this server."""
    blocks = re.findall(rf"```{kind}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return [one.replace(":7860", f":{server.port}").replace("my-task", "tiny") for one in blocks]


def test_the_python_of_the_documentation_runs(server, client, folder):
    (code,) = documented("py", server)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "{'done': 2, 'skipped': []}" in done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
def test_the_shell_of_the_documentation_runs(server, folder):
    (session,) = [one for one in documented("console", server) if "curl" in one]
    lines = [line.removeprefix("$ ") for line in session.splitlines()]
    subprocess.run(["bash", "-euc", "\n".join(lines)], cwd=folder, check=True, timeout=60)
    wanted = load(folder / "runs" / "tiny", device="cpu")(folder / "photo.png")
    with Image.open(folder / "translated.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(wanted))


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
def test_paths_addresses_and_large_files_are_refused(server, folder):
    for path in ("/etc/passwd", str(folder / "photo.png"), "http://127.0.0.1:1/x.png"):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        assert called(server, "translate", [file, "tiny", None, None])[0] == "refused"
        assert "no such file" in curl(f"{server.url}gradio_api/file={path}")
    (folder / "large.png").write_bytes(b"x" * 1_100_000)
    upload = f"{server.url}gradio_api/upload"
    answer = curl("-w", "%{http_code}", upload, "-F", f"files=@{folder / 'large.png'}")
    assert answer.endswith("413")
    nasty = f"files=@{folder / 'photo.png'};filename=../../../x<b>.png"
    (path,) = json.loads(curl(upload, "-F", nasty))
    assert Path(path).is_relative_to(folder / "tmp")
    assert "<" not in path
    assert curl(upload, "-F", "files=photo.png") == FILES_ALONE  # without the @ of a file


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
@pytest.mark.parametrize("data", [[], ["photo.png"], ["photo.png", "tiny", None, None], [[5]]])
def test_arguments_of_another_form_are_one_line(server, data):
    event, why = called(server, "translate", data)
    assert (event, why["error"]) == ("error", NO_ARGUMENTS)


def test_fifty_requests_at_once_are_answered_or_refused_and_memory_is_flat(server, client, folder):
    path = client.predict(handle(folder / "photo.png"), run="tiny", api_name="/translate")
    path = curl(f"{server.url}gradio_api/upload", "-F", f"files=@{path}")
    file = {"path": json.loads(path)[0], "meta": {"_type": "gradio.FileData"}}
    body = json.dumps({"data": [file, "tiny", 1, None]}).encode()
    at_once(server, body)
    before = server.megabytes
    for _ in range(2):
        answered, refused = at_once(server, body)
        assert answered + refused == 50
        assert answered >= 32  # as many as may wait
    assert server.megabytes < before + 60
    assert client.predict(api_name="/runs")


browsing = pytest.mark.skipif(not CHROMIUM, reason=WHY)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture
def opened(browser, server):
    """Opens the page; in the end it must have asked no other host and complained of nothing."""
    pages = []

    def open_page(**options):
        pages.append(browser.open(server.url, **options))
        pages[-1].until("!!document.querySelector('#board canvas')")
        return pages[-1]

    yield open_page
    for page in pages:
        assert [line for line in page.problems if OF_GRADIO not in line] == []
        others = [one for one in page.requests if not one.startswith((server.url, "blob:"))]
        assert others == []
        page.close()


def outputs(page, number=0):
    return page.evaluate(f"document.querySelector('#drawn-{number} img').src")


def until_output_is_not(page, before, number=0):
    code = f"document.querySelector('#drawn-{number} img').src"
    return page.until(f"{code} !== {json.dumps(before)} && {code}")


def settled(page):
    """The output once no other follows: during a stroke there are several."""
    return page.evaluate("""(async () => {
        const image = document.querySelector('#drawn-0 img');
        for (let seen = null; seen !== image.src; ) {
            seen = image.src;
            await new Promise((done) => setTimeout(done, 500));
        }
        return image.src;
    })()""")


def stroke(page, *, height):
    left, top, width, tall = page.box("#board canvas")
    y = top + tall * height
    page.drag((left + 0.1 * width, y), (left + 0.9 * width, y))


def text_of(selector):
    """JavaScript for the text of an element without spaces, which gradio has within file names."""
    return f"document.querySelector('{selector}').textContent.replace(/\\s/g, '')"


def open_tab(page, name):
    page.evaluate(
        "[...document.querySelectorAll('button[role=tab]')]"
        f".find((one) => one.textContent.trim() === '{name}').click()"
    )


@browsing
def test_a_stroke_changes_the_output_of_each_run(opened):
    page = opened(width=1200)
    stroke(page, height=0.2)
    until_output_is_not(page, "")
    first = settled(page)
    assert first.startswith("data:image/png;base64,")
    assert outputs(page, 1) == first  # the same weights
    page.click("#board .colours label:nth-of-type(8)")
    stroke(page, height=0.6)
    until_output_is_not(page, first)
    second = settled(page)
    page.evaluate("document.querySelector('#board button[title=Undo]').click()")
    assert until_output_is_not(page, second) == first
    page.evaluate("document.querySelector('#again').click()")
    assert until_output_is_not(page, first) != first  # with the noise of a seed


@browsing
def test_the_output_follows_while_the_pointer_is_down(opened):
    page = opened()
    left, top, width, height = page.box("#board canvas")
    page.mouse("mouseMoved", left + 5, top + 5)
    page.mouse("mousePressed", left + 5, top + 5, button="left", clickCount=1)
    page.mouse("mouseMoved", left + width / 2, top + height / 2, button="left", buttons=1)
    assert until_output_is_not(page, "")
    page.mouse("mouseReleased", left + 9, top + 9, button="left", clickCount=1)


@browsing
def test_the_drawing_has_the_colours_of_the_palette_alone(opened):
    page = opened()
    for number in (1, 4, 8):
        page.click(f"#board .colours label:nth-of-type({number})")
        left, top, width, height = page.box("#board canvas")
        page.drag((left + 4, top + number * 20), (left + width - 4, top + height - number * 9))
    found = page.evaluate("""(() => {
        const canvas = document.querySelector('#board canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const two = (value) => value.toString(16).padStart(2, '0');
        const hex = (at) => '#' + [0, 1, 2].map((c) => two(data[at + c])).join('');
        return [...new Set(Array.from({ length: data.length / 4 }, (_, n) => hex(4 * n)))];
    })()""")
    palette = page.evaluate(
        "[...document.querySelectorAll('#board .colours label')]"
        ".map((one) => one.style.getPropertyValue('--colour'))"
    )
    assert len(found) > 1
    assert set(found) <= set(palette)


@browsing
def test_an_upload_is_compared_by_a_slider(opened, folder):
    page = opened()
    open_tab(page, "Photograph")
    page.until("!!document.querySelector('#source input[type=file]')")
    page.upload("#source input[type=file]", folder / "photo.png")
    page.until("document.querySelectorAll('#slider-1 img').length === 2")
    images = "[...document.querySelectorAll('#slider-0 img')]"
    page.until(f"{images}.every((one) => one.naturalWidth === 90)")
    page.until(f"{text_of('#exact-0')}.includes('photo.png')")
    sides = page.evaluate(f"{images}.map((one) => one.src)")
    assert len(set(sides)) == 2
    assert (
        page.evaluate(
            f"fetch({json.dumps(sides[0])}).then((one) => one.headers.get('content-type'))"
        )
        == "image/png"
    )


@browsing
def test_what_a_camera_takes_is_sent_and_its_size_is_bounded(opened):
    page = opened()
    open_tab(page, "Photograph")
    buttons = "[...document.querySelectorAll('#source button')]"
    for name in ("Capture from camera", "Access Webcam", "capture photo"):
        button = (
            f"{buttons}.find((one) => `${{one.ariaLabel}}${{one.innerText}}`.includes('{name}'))"
        )
        page.until(f"!!{button}")
        if name == "capture photo":
            page.until("document.querySelector('#source video').currentTime > 0.5")
        page.evaluate(f"{button}.click()")
    line = page.until("document.querySelector('.wrong')?.textContent")
    assert re.fullmatch(r"image\.png: too many pixels for one image: \d+ x \d+; .*", line)


@browsing
def test_an_upload_that_is_no_picture_is_one_line_beside_each_run(opened, folder):
    page = opened()
    open_tab(page, "Photograph")
    page.until("!!document.querySelector('#source input[type=file]')")
    page.upload("#source input[type=file]", folder / "broken.png")
    page.until("document.querySelectorAll('.wrong').length === 2")
    line = page.evaluate("document.querySelector('.wrong').textContent")
    assert line == "broken.png: not an image, or one that cannot be read"


@browsing
def test_a_batch_becomes_a_zip(opened, folder):
    page = opened()
    open_tab(page, "Batch")
    page.until("!!document.querySelector('#images input[type=file]')")
    page.upload("#images input[type=file]", folder / "photo.png")
    page.until("!!document.querySelector('#images a[href*=photo]')")
    page.click("#start")
    page.until(f"{text_of('#zip')}.includes('tiny.zip')")
    assert "1 translated" in page.evaluate("document.querySelector('#report').textContent")


@browsing
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_in_both_schemes(opened, scheme):
    page = opened(width=390, scheme=scheme)
    for name in ("Photograph", "Batch", "Draw"):
        open_tab(page, name)
        page.until(
            f"document.querySelector('[aria-selected=true]').textContent.trim() === '{name}'"
        )
        assert page.overflow() == 0
    rgb = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", rgb)[:3])) > 3 * 128
    assert light == (scheme == "light")
    fonts = page.evaluate("getComputedStyle(document.querySelector('h1')).fontFamily")
    assert "system-ui" in fonts


@browsing
def test_a_finger_draws_too(opened):
    page = opened(width=390)
    left, top, width, height = page.box("#board canvas")
    page.touch((left + 20, top + 20), (left + width / 2, top + 60), (left + width - 20, top + 30))
    assert until_output_is_not(page, "")
