"""The drawing board in a browser, with real events: each pixel has exactly one of its colours."""

import shutil
from pathlib import Path

import pytest
from browser import CHROMIUM, WHY, Browser
from static_site import served

import imtrans.board

pytestmark = [pytest.mark.thorough, pytest.mark.skipif(CHROMIUM is None, reason=WHY)]

PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><link rel="stylesheet" href="board.css">
<div id="board"></div>
<script type="module">
  import { createBoard } from "./board.js";
  window.heard = [];
  window.board = createBoard(document.getElementById("board"), {
    width: 64, height: 32, background: "#0000dd",
    palette: [{ name: "wall", colour: "#0000dd" }, { name: "window", colour: "#0055ff" },
      { name: "door", colour: "#ff5500" }],
    onChange: (canvas, { done }) => heard.push(done),
  });
  // How many pixels have which colour, on the canvas and in what the board says of it.
  window.counted = () => {
    const canvas = board.canvas.getContext("2d").getImageData(0, 0, 64, 32).data;
    const counts = {}, pixels = board.pixels().data;
    for (let i = 0; i < pixels.length; i += 4) {
      const colour = [...pixels.slice(i, i + 4)].join(), seen = [...canvas.slice(i, i + 4)].join();
      counts[colour] = (counts[colour] ?? 0) + 1;
      if (colour !== seen) counts.unlike = true;
    }
    return counts;
  };
</script>"""
WALL, WINDOW, DOOR = "0,0,221,255", "0,85,255,255", "255,85,0,255"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for name in ("board.js", "board.css"):
        shutil.copy(Path(imtrans.board.__file__).with_name(name), folder)
    (folder / "index.html").write_text(PAGE)
    with served(folder) as site:
        yield site


@pytest.fixture
def board(browser, address):
    page = browser.open(address, width=390, height=700)
    page.until("window.board")
    yield page
    assert page.problems == []
    assert page.requests == []
    assert page.overflow() == 0
    page.close()


def at(board, x, y):
    """The middle of a pixel of the drawing, in the window."""
    left, top, width, height = board.box("#board canvas")
    return left + (x + 0.5) * width / 64, top + (y + 0.5) * height / 32


def choose(board, *, tool=None, colour=None, size=None):
    if tool:
        board.click(f".tools label:has([value={tool}])")
    if colour is not None:
        board.click(f".colours label:has([value='{colour}'])")
    if size:
        board.evaluate(
            f"(e => {{ e.value = {size}; e.dispatchEvent(new Event('input', {{bubbles: true}})) }})"
            "(document.querySelector('.size input'))"
        )


def counted(board):
    return board.evaluate("counted()")


def drag(board, start, end):
    board.drag(at(board, *start), at(board, *end))


def test_a_stroke_has_hard_edges_and_is_heard_while_it_is_drawn(board):
    assert counted(board) == {WALL: 64 * 32}
    drag(board, (10, 10), (50, 20))
    found = counted(board)
    assert set(found) == {WALL, WINDOW}
    assert found[WINDOW] > 3 * 40
    heard = board.evaluate("heard")
    assert heard[-1] is True
    assert heard.count(True) == 1
    assert False in heard


def test_the_thinnest_line_has_hardly_more_than_a_pixel_in_each_column(board):
    choose(board, tool="line", size=1)
    drag(board, (5, 5), (60, 17))
    assert 56 <= counted(board)[WINDOW] <= 60


def test_a_rectangle_has_both_corners_and_a_frame_is_as_thick_as_the_brush(board):
    choose(board, tool="rectangle", colour=2)
    drag(board, (10, 4), (19, 23))
    assert counted(board) == {WALL: 64 * 32 - 200, DOOR: 200}
    choose(board, tool="frame", size=2)
    drag(board, (49, 23), (40, 4))
    assert counted(board)[DOOR] == 200 + 200 - 6 * 16


def test_fill_stops_at_other_colours_and_undo_and_redo_travel(board):
    choose(board, tool="frame", colour=1, size=1)
    drag(board, (10, 4), (19, 23))
    choose(board, tool="fill", colour=2)
    drag(board, (15, 10), (15, 10))
    filled = {WALL: 64 * 32 - 200, WINDOW: 56, DOOR: 144}
    assert counted(board) == filled
    board.key("z", control=True)
    assert counted(board) == {WALL: 64 * 32 - 56, WINDOW: 56}
    board.click("[title=Undo]")
    assert counted(board) == {WALL: 64 * 32}
    assert board.evaluate("document.querySelector('[title=Undo]').disabled")
    board.click("[title=Redo]")
    board.key("y", control=True)
    assert counted(board) == filled
    assert board.evaluate("heard.filter(Boolean).length") == 6


def test_the_eraser_leaves_the_background_and_clear_all_of_it(board):
    choose(board, tool="fill", colour=2)
    drag(board, (1, 1), (1, 1))
    choose(board, tool="eraser", size=3)
    drag(board, (10, 10), (40, 10))
    found = counted(board)
    assert set(found) == {WALL, DOOR}
    assert found[WALL] > 90
    board.click("[title=Clear]")
    assert counted(board) == {WALL: 64 * 32}
    board.evaluate("board.undo()")
    assert counted(board) == found


def test_a_finger_draws_and_the_page_does_not_scroll(board):
    board.touch(at(board, 5, 5), at(board, 20, 20), at(board, 40, 28))
    assert counted(board)[WINDOW] > 60
    assert board.evaluate("scrollY") == 0


def test_keys_alone_draw(board):
    board.evaluate("board.canvas.focus()")
    for key in ("r", "ArrowLeft", " ", *["ArrowRight"] * 4, "ArrowDown", " "):
        board.key(key)
    assert counted(board)[WINDOW] > 8
    assert board.evaluate("heard.at(-1)")


def test_what_is_loaded_is_the_drawing_pixel_by_pixel(board):
    size = board.evaluate(
        "(async () => { const c = new OffscreenCanvas(64, 32), p = c.getContext('2d');"
        "p.fillStyle = '#123456'; p.fillRect(0, 0, 8, 4);"
        "board.load(await createImageBitmap(c)); return (await board.toBlob()).size; })()"
    )
    assert size > 60
    assert counted(board) == {WALL: 64 * 32 - 32, "18,52,86,255": 32}
    board.evaluate("board.destroy()")
    assert board.evaluate("document.getElementById('board').childNodes.length") == 0
