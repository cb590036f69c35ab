"""The exported page in a browser: one draws, and the output is what onnxruntime makes in Python."""

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from browser import CHROMIUM, WHY, Browser
from drawn import draw_picture
from PIL import Image
from static_site import Isolating, served

import imtrans as public
from imtrans.translation.export.web import site as web_site
from imtrans.translation.export.web.runtime import FILES

RUNTIME = Path(__file__).parents[3] / "build" / "web" / "node_modules" / "onnxruntime-web"
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(CHROMIUM is None, reason=WHY),
    pytest.mark.skipif(
        not all((RUNTIME / "dist" / name).is_file() for name in FILES),
        reason="npm install --prefix build/web onnxruntime-web@1.30.0",
    ),
]
# What the page takes and shows: RGBA as base64, which is faster than a list of numbers.
PIXELS = """(() => {
  const canvas = document.querySelector(%r), size = [canvas.width, canvas.height];
  const pen = new OffscreenCanvas(...size).getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const data = pen.getImageData(0, 0, ...size).data;
  let text = "";
  for (const value of data) text += String.fromCharCode(value);
  return [...size, btoa(text)];
})()"""
PATIENCE = 40  # looks, four in a second
IDLE = "!document.getElementById('status').textContent ? 0 : document.body.dataset.translated"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def site(trained_once, tmp_path_factory):
    """A folder with a page in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "my").mkdir()
    public.export(trained_once / "run", folder / "my" / "page", format="web", runtime=RUNTIME)
    return folder


@pytest.fixture
def page(browser, site):
    """Opens the page; at the end nothing may have gone wrong, nor wide."""
    opened = []

    def opening(folder=site, kind=None, problems=0, **options):
        server = served(folder, *([kind] if kind else []))
        address = server.__enter__()
        found = browser.open(f"{address}my/page/", **options)
        opened.append((server, found, problems))
        return found

    yield opening
    for server, found, problems in opened:
        assert len(found.problems) <= problems, found.problems
        assert found.requests == []
        assert found.overflow() == 0
        found.close()
        server.__exit__(None, None, None)


@pytest.fixture(scope="module")
def modules(browser, site):
    """A page to import its modules in."""
    with served(site) as address:
        found = browser.open(f"{address}my/page/")
        settled(found)
        yield found
        assert found.problems == []
        found.close()


def settled(page, before=0):
    """Once a translation later than `before` is shown and no other is under way; its number."""
    page.until(f"Number(document.body.dataset.translated) > {before}")
    while True:
        number = page.evaluate(IDLE)
        page.evaluate("new Promise((later) => setTimeout(later, 120))")
        if page.evaluate(IDLE) == number:
            return int(number)


def pixels(page, selector):
    width, height, text = page.evaluate(PIXELS % selector)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)


def expected(site, drawing, **more):
    session = onnxruntime.InferenceSession(site / "my" / "page" / "model.onnx")
    source = drawing[:, :, :3].astype(np.float32).transpose(2, 0, 1)[None]
    return session.run(None, {"source": source, **more})[0][0].transpose(1, 2, 0)


def assert_translated(page, site):
    """What is shown is what onnxruntime makes of the board, or will be once it is translated."""
    for _ in range(PATIENCE):
        made = pixels(page, "#output")
        wanted = expected(site, pixels(page, "#board canvas")).round().astype(int)
        if made.shape[:2] == wanted.shape[:2]:
            away = np.abs(made[:, :, :3].astype(int) - wanted)
            # Norms of areas of one colour divide by next to nothing: roundings become larger.
            if away.max() <= 5 and (away <= 1).mean() > 0.99:
                break
        page.evaluate("new Promise((later) => setTimeout(later, 250))")
    else:
        raise AssertionError(f"another output than that of onnxruntime, by {away.max()}")
    assert np.ptp(made[:, :, :3]) > 20
    assert (made[:, :, 3] == 255).all()


def stroke(page, start, end):
    left, top, width, height = page.box("#board canvas")
    points = ((left + x * width, top + y * height) for x, y in (start, end))
    page.drag(*points)


def test_a_stroke_changes_the_output_which_is_that_of_onnxruntime(page, site):
    seen = page()
    first = settled(seen)
    blank = pixels(seen, "#output")
    stroke(seen, (0.1, 0.2), (0.9, 0.7))
    second = settled(seen, first)
    assert not np.array_equal(pixels(seen, "#output"), blank)
    assert_translated(seen, site)
    seen.click(".tools label:has([value=rectangle])")
    seen.click(".colours label:has([value='3'])")
    stroke(seen, (0.5, 0.5), (0.8, 0.9))
    third = settled(seen, second)
    assert_translated(seen, site)
    seen.click(".tools label:has([value=fill])")
    stroke(seen, (0.02, 0.98), (0.02, 0.98))
    fourth = settled(seen, third)
    assert_translated(seen, site)
    for _ in range(3):
        seen.key("z", control=True)
    settled(seen, fourth)
    assert np.array_equal(pixels(seen, "#output"), blank)
    said = seen.evaluate("document.getElementById('status').textContent")
    assert said.startswith("64 × 64 px · ")
    assert said.endswith(" ms")


def test_a_picture_is_opened_compared_and_downloaded_at_its_own_size(page, site, tmp_path):
    seen = page()
    first = settled(seen)
    draw_picture(3, (200, 140)).save(tmp_path / "house.png")
    seen.upload("#file", tmp_path / "house.png")
    settled(seen, first)
    assert pixels(seen, "#board canvas").shape == (140, 160, 4)  # at the scale of training
    assert_translated(seen, site)
    assert seen.evaluate("getComputedStyle(document.getElementById('before')).clipPath") == (
        "inset(0px 100% 0px 0px)"
    )
    seen.evaluate("document.getElementById('wipe').focus()")
    seen.key("End")
    assert seen.evaluate("document.getElementById('stage').className") == "framed stage comparing"
    assert seen.evaluate("document.getElementById('stage').style.getPropertyValue('--at')") == (
        "100%"
    )
    assert np.array_equal(pixels(seen, "#before"), pixels(seen, "#board canvas"))
    folder = tmp_path / "downloads"
    seen.browser.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    seen.click("#download")
    wait_for(seen, folder / "output.png")
    with Image.open(folder / "output.png") as kept:
        assert kept.size == (200, 140)


def wait_for(page, path):
    for _ in range(200):
        if path.is_file() and path.stat().st_size:
            return
        page.evaluate("new Promise((later) => setTimeout(later, 20))")
    raise AssertionError(f"{path} did not come")


def test_pictures_are_dropped_and_pasted_too(page):
    seen = page()
    last = settled(seen)
    for event, field in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        seen.evaluate(
            "(async () => {"
            "const canvas = new OffscreenCanvas(100, 64), held = new DataTransfer();"
            "canvas.getContext('2d').fillRect(10, 10, 50, 50);"
            "const file = [await canvas.convertToBlob()];"
            "held.items.add(new File(file, 'a.png', { type: 'image/png' }));"
            f"const event = new Event('{event}', {{bubbles: true, cancelable: true}});"
            f"Object.defineProperty(event, '{field}', {{value: held}});"
            "document.body.dispatchEvent(event); })()"
        )
        last = settled(seen, last)
        assert pixels(seen, "#board canvas").shape == (64, 80, 4)
        seen.click("[title=Clear]")
        last = settled(seen, last)


def test_what_is_no_picture_or_too_large_is_one_line_and_the_drawing_stays(page, tmp_path):
    seen = page()
    settled(seen)
    stroke(seen, (0.1, 0.2), (0.9, 0.7))
    drawing = pixels(seen, "#board canvas")
    (tmp_path / "notes.png").write_text("no picture")
    Image.new("L", (9000, 600)).save(tmp_path / "long.png")
    for name, reason in (
        ("notes.png", "notes.png cannot be read as a picture: PNG, JPEG and WebP can."),
        ("long.png", "long.png is too large: 9000 × 600 px. A page can translate 4 megapixels;"),
    ):
        seen.upload("#file", tmp_path / name)
        problem = "document.getElementById('problem')"
        seen.until(f"!{problem}.hidden && {problem}.textContent.startsWith('{name}')")
        assert seen.evaluate(f"{problem}.textContent").startswith(reason)
    assert np.array_equal(pixels(seen, "#board canvas"), drawing)


def test_the_camera_is_translated_picture_by_picture_until_one_is_taken(page, site):
    seen = page()
    first = settled(seen)
    seen.click("#start-camera")
    seen.until(f"Number(document.body.dataset.translated) > {first + 3}")
    assert seen.evaluate("document.getElementById('board').hidden")
    seen.click("#take")
    settled(seen, first + 3)
    assert_translated(seen, site)
    assert np.ptp(pixels(seen, "#board canvas")[:, :, :3]) > 50


def test_a_phone_in_the_dark_draws_by_touch(page, site):
    seen = page(width=390, height=844, scheme="dark")
    first = settled(seen)
    left, top, width, height = seen.box("#board canvas")
    assert (left, left + width) == (16, 374)
    seen.touch((left + 20, top + 50), (left + 100, top + 100), (left + 200, top + 180))
    settled(seen, first)
    assert_translated(seen, site)
    assert len(np.unique(pixels(seen, "#board canvas").reshape(-1, 4), axis=0)) == 2
    ground = seen.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(19, 21, 20)"


def test_a_server_that_isolates_its_pages_is_used_with_threads(page, site):
    seen = page(kind=Isolating)
    first = settled(seen)
    assert seen.evaluate("crossOriginIsolated")
    stroke(seen, (0.1, 0.2), (0.9, 0.7))
    settled(seen, first)
    assert_translated(seen, site)


def test_opened_as_a_file_the_page_says_what_to_do(browser, site):
    seen = browser.open(site / "my" / "page" / "index.html")
    seen.until("getComputedStyle(document.getElementById('waiting')).visibility === 'visible'")
    assert "python -m http.server" in seen.evaluate("document.body.innerText")
    seen.close()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.onnx", b"version https://git-lfs", "model.onnx: 23 bytes, of "),
        ("model.onnx", ..., "model.onnx is damaged: it is not the file that was exported"),
        ("model.json", None, "model.json cannot be loaded: the server answers 404."),
        ("model.json", b"{}", "model.json is not that of this page: "),
        ("runtime/ort.wasm.bundle.min.js", None, "The network cannot be started: a file of this"),
    ],
)
def test_a_folder_that_was_not_copied_whole_is_one_line(
    page, site, tmp_path, name, content, reason
):
    shutil.copytree(site, tmp_path / "site")
    path = tmp_path / "site" / "my" / "page" / name
    if content is None:
        path.unlink()
    elif content is ...:
        whole = path.read_bytes()
        path.write_bytes(whole[:-9] + bytes(8) + whole[-1:])
    else:
        path.write_bytes(content)
    seen = page(tmp_path / "site", problems=2)
    problem = "document.getElementById('problem')"
    seen.until(f"!{problem}.hidden")
    assert reason in seen.evaluate(f"{problem}.textContent")


def test_a_large_network_comes_in_parts(page, site, tmp_path, monkeypatch):
    shutil.copytree(site, tmp_path / "site")
    folder = tmp_path / "site" / "my" / "page"
    monkeypatch.setattr(web_site, "PART", (folder / "model.onnx").stat().st_size // 3 + 1)
    parts = web_site.in_parts((folder / "model.onnx").read_bytes())
    (folder / "model.onnx").unlink()
    for name, content in parts.items():
        (folder / name).write_bytes(content)
    described = json.loads((folder / "model.json").read_text())
    described["model"]["files"] = [*parts]
    (folder / "model.json").write_text(json.dumps(described))
    assert [*parts] == [f"model.onnx.{number}" for number in (1, 2, 3)]
    seen = page(tmp_path / "site")
    first = settled(seen)
    draw_picture(3, (80, 64)).save(tmp_path / "house.png")
    seen.upload("#file", tmp_path / "house.png")
    settled(seen, first)
    assert_translated(seen, site)


def uniform(seed):
    """mulberry32, as docs/web.md has it."""
    state = seed
    while True:
        state = (state + 0x6D2B79F5) % 2**32
        bits = (state ^ (state >> 15)) * (state | 1) % 2**32
        bits ^= (bits + (bits ^ (bits >> 7)) * (bits | 61) % 2**32) % 2**32
        yield ((bits ^ (bits >> 14)) + 0.5) / 2**32


def normal(seed, count):
    draw, values = uniform(seed), []
    while len(values) < count:
        far, turn = np.sqrt(-2 * np.log(next(draw))), 2 * np.pi * next(draw)
        values += [far * np.cos(turn), far * np.sin(turn)]
    return np.array(values[:count], np.float32)


def test_the_noise_of_a_seed_is_the_documented_one_and_normal(modules):
    found = modules.evaluate(
        "import('./noise.js').then(({normal}) =>"
        "[0, 7, 4294967295].map((seed) => [...normal(seed, 999)]))"
    )
    for seed, values in zip((0, 7, 2**32 - 1), found, strict=True):
        np.testing.assert_allclose(values, normal(seed, 999), rtol=1e-5, atol=1e-6)
        assert abs(np.mean(values)) < 0.1
        assert 0.9 < np.std(values) < 1.1


SOURCES = {
    "numbers": ({"channels": 1, "range": [0, 255], "stored": {"#112233": [7], "#445566": [33]}}),
    "grey": {"channels": 1, "range": [0, 255]},
    "unit": {"channels": 3, "range": [-1, 1]},
    "hole": {"channels": 4, "range": [0, 255], "hole": "#ff00ff"},
}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("numbers", [7, 33, 33]),
        ("grey", [31, 82, 105]),
        ("unit", [-0.866667, -0.466667, 1, -0.733333, -0.333333, -1, -0.6, -0.2, 1]),
        ("hole", [17, 68, 255, 34, 85, 0, 51, 102, 255, 255, 255, 0]),
    ],
)
def test_pixels_become_what_the_network_takes(modules, kind, values):
    given = [17, 34, 51, 255, 68, 85, 102, 255, 255, 0, 255, 255]
    found = modules.evaluate(
        "import('./pictures.js').then(({toSource}) =>"
        f"[...toSource({given}, {json.dumps(SOURCES[kind])})])"
    )
    np.testing.assert_allclose(found, values, atol=1e-5)


def test_a_label_map_of_numbers_is_opened_and_kept_as_numbers(modules):
    """In colours to look at; the numbers themselves in what is downloaded."""
    model = {
        "kind": "labels",
        "source": SOURCES["numbers"],
        "board": {"background": "#112233"},
    }
    output = {"channels": 1, "range": [0, 255], "shown": [[7, [1, 2, 3]], [33, [4, 5, 6]]]}
    found = modules.evaluate(
        "import('./pictures.js').then(({fitted, toPixels}) => {"
        "const canvas = new OffscreenCanvas(2, 1), pen = canvas.getContext('2d');"
        "const pixels = new Uint8ClampedArray([7, 7, 7, 255, 33, 33, 33, 255]);"
        "pen.putImageData(new ImageData(pixels, 2), 0, 0);"
        f"const made = fitted(canvas, 2, 1, {json.dumps(model)});"
        "return [[...made.getContext('2d').getImageData(0, 0, 2, 1).data],"
        f"[...toPixels([33, 7], {json.dumps(output)})],"
        f"[...toPixels([33, 7], {json.dumps(output)}, true)]]; }})"
    )
    assert found == [
        [0x11, 0x22, 0x33, 255, 0x44, 0x55, 0x66, 255],
        [4, 5, 6, 255, 1, 2, 3, 255],
        [33, 33, 33, 255, 7, 7, 7, 255],
    ]
