"""Pictures in a page: exact where that fits, within a budget always."""

import io
from base64 import b64decode

import pytest
from drawn import draw_picture
from PIL import Image

from imtrans.data.pixels import images
from imtrans.reporting.pictures import LONGEST, Figure, figure_of, fit, read_figure
from imtrans.reporting.samples import FRAMES, Geometry, geometry, read_samples


def noise(size, seed=0):
    return Image.effect_noise(size, 90 + seed).convert("RGB")


def png(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def content(figure):
    return b64decode(figure.uri.partition(",")[2])


def test_a_stored_picture_is_embedded_to_the_byte():
    stored = png(draw_picture(1, (60, 50)))
    figure = figure_of(stored)
    assert fit([figure], 10**6).quality is None
    assert content(figure) == stored
    assert figure.uri.startswith("data:image/png;base64,")
    assert (figure.width, figure.height) == (60, 50)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_every_mode_becomes_a_picture_that_browsers_show(mode, tmp_path):
    image = draw_picture(1, (40, 40)).convert("L" if mode == "I;16" else mode).convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(path)
    figure = read_figure(path)
    fit([figure], 10**6)
    assert Image.open(io.BytesIO(content(figure))).size == (40, 40)


@pytest.mark.parametrize("budget", [2_000_000, 300_000, 40_000])
def test_pictures_are_lowered_until_they_fit(budget):
    figures = [Figure(noise((400, 300), seed)) for seed in range(6)]
    encoded = fit(figures, budget)
    assert sum(len(figure.uri) for figure in figures) == encoded.bytes <= budget
    assert all(Image.open(io.BytesIO(content(f))).size == (f.width, f.height) for f in figures)
    assert ("files are exact" in str(encoded)) == (encoded.quality is not None)


def test_a_large_picture_is_scaled_down(tmp_path):
    noise((LONGEST * 2, 40)).save(tmp_path / "wide.png")
    figure = read_figure(tmp_path / "wide.png")
    assert figure.image.size == (LONGEST, 20)
    assert figure.stored is None


@pytest.mark.parametrize("damage", [b"", b"no picture", png(draw_picture(1, (40, 40)))[:90]])
def test_what_is_no_picture_is_none(tmp_path, damage):
    (tmp_path / "a.png").write_bytes(damage)
    assert read_figure(tmp_path / "a.png") is None
    assert read_figure(tmp_path / "missing.png") is None


# --- grids ---


def write_grid(run, step, rows=4, columns=3, side=32):
    cells = [
        [draw_picture(row + step % 9, (side, side)) for _ in range(columns)] for row in range(rows)
    ]
    grid = images.to_image(images.grid([[images.to_tensor(cell) for cell in row] for row in cells]))
    (run / "samples").mkdir(parents=True, exist_ok=True)
    grid.save(run / "samples" / f"step_{step:08d}.png")
    return cells


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("rows", [1, 3, 8])
@pytest.mark.parametrize("known", [True, False])
def test_a_grid_divides_into_the_cells_it_was_made_of(tmp_path, rows, columns, known):
    cells = write_grid(tmp_path, 5, rows, columns)
    found = read_samples(tmp_path, (32, 32) if known else None, ["generator"])
    assert [[c.image.tobytes() for c in row] for row in found.cells] == [
        [c.tobytes() for c in row] for row in cells
    ]
    assert (found.film.targets is not None) == (columns == 3)
    assert (found.step, found.whole) == (5, None)


def test_what_does_not_divide_is_shown_whole(tmp_path):
    write_grid(tmp_path, 5)
    found = read_samples(tmp_path, (31, 31), ["generator"])
    assert (found.film, found.cells) == (None, [])
    assert found.whole.image.size == (3 * 36 - 4, 4 * 36 - 4)
    assert geometry(Image.new("RGB", (1, 1)), None) is None
    assert geometry(Image.new("RGB", (104, 68), "white"), None) == Geometry(32, 32, 2, 3)
    assert geometry(Image.new("RGB", (104, 68)), None) is None  # nothing white


def test_a_film_has_few_frames_the_first_and_the_last_among_them(tmp_path):
    for step in range(0, 900, 10):
        write_grid(tmp_path, step, rows=1, side=8)
    film = read_samples(tmp_path, (8, 8), ["generator"]).film
    steps = [frame.step for frame in film.frames]
    assert (steps[0], steps[-1]) == (0, 890)
    assert 30 <= len(steps) <= FRAMES + 1
    assert film.taken == 90


def test_broken_grids_and_those_of_another_size_are_left_out(tmp_path):
    write_grid(tmp_path, 1, rows=2)
    for step in (2, 4):
        write_grid(tmp_path, step)
    (tmp_path / "samples" / "step_00000003.png").write_bytes(b"broken")
    (tmp_path / "samples" / "step_00000005.png").write_bytes(b"")
    (tmp_path / "samples" / "step_x.png").write_bytes(b"")
    found = read_samples(tmp_path, (32, 32), ["generator"])
    assert [frame.step for frame in found.film.frames] == [2, 4]
    assert sorted(found.unreadable) == ["step_00000003.png", "step_00000005.png"]


def test_no_samples_are_none(tmp_path):
    found = read_samples(tmp_path, None, [])
    assert (found.film, found.cells, found.whole) == (None, [], None)
