"""The page in a browser: what can be dragged moves, nothing is asked for, every width fits."""

import shutil

import pytest
from browser import CHROMIUM, WHY, Browser
from cells import UNPAIRED, write_unpaired
from compared_runs import write_compared
from left_evaluation import write_evaluation

from imtrans.evaluation.comparison import compared
from imtrans.evaluation.sides import sides_of
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.reporting.comparing.page import write_comparison
from imtrans.reporting.report import write_report
from imtrans.task import Task
from imtrans.training.fit import fit

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY)

NASTY = """</script><b>&"'x a_name_without_any_place_to_break_it_that_is_long"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def files(trained_once, tmp_path_factory):
    """Pages: of a run with an evaluation, of one without that is a checkpoint's, of CycleGAN."""
    folder = tmp_path_factory.mktemp("reports")
    for name in ("evaluated", "plain", "nasty"):
        shutil.copytree(trained_once / "run", folder / name)
    write_evaluation(folder / "evaluated", size=(200, 150))
    write_evaluation(folder / "nasty", NASTY[9:12], name=f"{NASTY} {{}}", targets=False)
    write_unpaired(folder / "images")
    text = UNPAIRED.format(root=(folder / "images").as_posix()).replace("resnet_1", "resnet_6")
    recipe = recipes.parse(text, "cyclegan.toml", ["train.epochs=1"], catalog())
    fit(Task(recipe, catalog()), folder / "cyclegan")
    names = ("evaluated", "plain", "nasty", "cyclegan")
    pages = {name: write_report(folder / name).path for name in names}
    return pages | {"comparison": comparison_page(trained_once / "run", folder / "compared")}


def comparison_page(finished, folder):
    """Of three sides: one of two seeds, one that is no run, one with a long name."""
    places = write_compared(finished, folder)
    one = places["one"].rename(places["one"].with_name(NASTY[9:]))
    logged = places["other"] / "validation.jsonl"  # as if it had stopped earlier than the others
    logged.write_text("".join(logged.read_text().splitlines(keepends=True)[:-1]))
    named = one, *(places[name] for name in ("other", "other-seed5", "tool"))
    sides = sides_of(named, catalog(), split="validation", say=print, bar=None)
    return write_comparison(compared(sides), folder / "page.html").path


@pytest.fixture
def opened(browser, files):
    """Opens a page; in the end it must have asked for nothing and complained of nothing."""
    pages = []

    def open_page(name="evaluated", **options):
        pages.append(browser.open(files[name], **options))
        return pages[-1]

    yield open_page
    for page in pages:
        assert page.problems == []
        assert page.requests == []
        page.close()


VIEWS = [
    (name, width)
    for name in ("evaluated", "nasty", "cyclegan", "comparison")
    for width in (320, 1440)
]
QUICK = [("evaluated", 320), ("evaluated", 1440), ("nasty", 320), ("comparison", 320)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "width"),
    [view if view in QUICK else pytest.param(*view, marks=pytest.mark.thorough) for view in VIEWS],
)
def test_it_fits_and_follows_the_scheme(opened, name, width, scheme):
    page = opened(name, width=width, scheme=scheme)
    assert page.overflow() == 0
    ground, ink = (
        sum(map(int, page.evaluate(f"getComputedStyle(document.body).{key}")[4:-1].split(",")))
        for key in ("backgroundColor", "color")
    )
    assert (ground < ink) == (scheme == "dark")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.overflow() == 0


def share(page):
    """Where the divider is (percent), and how much of the picture on the left is seen."""
    style = "getComputedStyle(document.querySelector('.over-it')).clipPath"
    seen = page.evaluate(style)  # inset(0px 75% 0px 0px)
    return float(page.evaluate("document.querySelector('.wipe').value")), seen


@pytest.mark.parametrize("width", [320, 1440])
def test_the_divider_follows_the_pointer(opened, width):
    page = opened(width=width)
    assert share(page) == (50, "inset(0px 50% 0px 0px)")
    left, top, wide, high = page.box(".stage")
    middle = top + high / 2
    page.drag((left + wide / 2, middle), (left + wide / 4, middle))
    at, seen = share(page)
    assert at == pytest.approx(25, abs=1.5)
    assert seen == f"inset(0px {100 - at:g}% 0px 0px)"
    handle = page.box(".handle")[0] + 1
    assert handle == pytest.approx(left + wide * at / 100, abs=1.5)
    page.drag((left + wide * 0.9, middle), (left + wide * 0.8, middle))  # from anywhere
    assert share(page)[0] == pytest.approx(80, abs=1.5)


def test_the_divider_follows_the_keyboard(opened):
    page = opened()
    page.evaluate("document.querySelector('.wipe').focus()")
    for key, at in (("ArrowRight", 50.5), ("ArrowLeft", 50), ("Home", 0), ("End", 100)):
        page.key(key)
        assert share(page)[0] == at
    assert page.evaluate("document.querySelector('.wipe').ariaLabel") == (
        "Divider between output and target"
    )


def test_pictures_are_chosen_and_compared_by_keyboard_and_pointer(opened):
    page = opened()
    shown = "[...document.querySelectorAll('.stage img')].map((image) => image.alt)"
    assert page.evaluate(shown) == ["target of pair 2", "output of pair 2"]
    page.evaluate("document.querySelector('[data-compare] input:checked').focus()")
    page.key("ArrowLeft")
    assert page.evaluate(shown) == ["output of pair 2", "source of pair 2"]
    page.click("[data-next]")  # what is compared stays
    assert page.evaluate(shown) == ["output of pair 5", "source of pair 5"]
    page.click("li:nth-child(3) [data-thumb]")
    assert page.evaluate("document.querySelector('.beside h3').textContent") == "pair 8"
    assert page.evaluate("document.querySelectorAll('[aria-pressed=true]').length") == 1
    assert page.evaluate("document.querySelector('.values').textContent").startswith("l10.")
    assert page.evaluate("document.querySelector('.values dt').textContent") == "l1"


def test_a_picture_of_two_groups_is_shown_in_both(opened):
    page = opened()
    page.click("[data-same]")
    shown = "[...document.querySelectorAll('.stage img')].map((image) => image.alt)"
    assert page.evaluate(shown) == ["target of pair 2", "output of pair 2"]
    assert page.evaluate("document.querySelector('[data-same] img.output').naturalWidth") == 200


def test_zoom_opens_moves_and_closes(opened):
    page = opened()
    place = "document.querySelector('.canvas img').style.transform"
    scale = "parseInt(document.querySelector('[data-scale]').textContent)"
    page.click("[data-zoom]")
    assert page.evaluate("document.querySelector('dialog').open")
    fitted = page.evaluate(scale)
    page.key("+")
    assert page.evaluate(scale) == pytest.approx(fitted * 1.25, abs=1)
    page.key("-")
    page.mouse("mouseWheel", 700, 500, deltaX=0, deltaY=-400)
    assert page.evaluate(scale) > fitted * 1.5
    assert page.evaluate("document.querySelector('.canvas img').className") == "pixelated"
    before = page.evaluate(place)
    page.drag((700, 500), (640, 470))
    page.key("ArrowLeft")
    assert page.evaluate(place) != before
    page.key("1")
    assert page.evaluate("document.querySelector('.canvas img').alt") == "source"
    page.key("0")
    assert page.evaluate(scale) == fitted
    page.key("Escape")
    assert not page.evaluate("document.querySelector('dialog').open")


PIXELS = "[...document.querySelectorAll('.cell canvas')].map((canvas) => canvas.toDataURL())"


def drawn(page):
    """Each cell of the film, once its pictures are decoded."""
    page.evaluate("new Promise((done) => setTimeout(done, 120))")
    return page.evaluate(PIXELS)


def test_the_film_is_scrubbed_and_played(opened):
    page = opened()
    last = drawn(page)
    page.evaluate("document.querySelector('[data-frame]').focus()")
    page.key("Home")
    assert page.evaluate("document.querySelector('[data-step]').textContent") == "step 0"
    first = drawn(page)
    outputs = range(1, len(first), 3)
    assert [i for i in range(len(first)) if first[i] != last[i]] == list(outputs)
    page.click("[data-play]")
    page.evaluate("new Promise((done) => setTimeout(done, 1300))")
    assert page.evaluate("document.querySelector('[data-step]').textContent") == "step 12"
    assert page.evaluate("document.querySelector('[data-play]').textContent") == "Play"
    assert drawn(page) == last


def test_two_translators_have_their_samples_each(opened):
    page = opened("cyclegan")
    names = "[...document.querySelectorAll('[data-cells] h3')].map((one) => one.textContent)"
    assert page.evaluate(names) == ["generator", "generator_back"]
    labels = "[...new Set([...document.querySelectorAll('.cell span')].map((x) => x.textContent))]"
    assert page.evaluate(labels) == ["source", "output"]
    assert all(drawn(page))
    page.evaluate("document.querySelector('.wipe').focus()")
    page.key("End")
    assert page.evaluate("document.querySelector('[data-compare]').hidden")


def test_charts_are_read_under_the_pointer_and_by_keyboard(opened):
    page = opened("plain")
    at = "[...document.querySelectorAll('[data-at]')].map((one) => one.textContent)"
    left, top, wide, high = page.box(".plot")
    before = page.evaluate(at)
    page.mouse("mouseMoved", left + wide / 3, top + high / 2)
    assert page.evaluate(at)[0] != before[0]
    assert page.evaluate("document.querySelectorAll('[data-cursor]:not([hidden])').length") == 3
    page.mouse("mouseMoved", 5, 5)
    assert page.evaluate(at) == before
    page.evaluate("document.querySelectorAll('[data-read] input')[1].focus()")
    page.key("Home")
    assert page.evaluate(at)[3:6] == ["at step 2"] * 3


def test_any_two_pictures_are_compared(opened):
    page = opened("comparison")
    shown = "[...document.querySelectorAll('.stage .label')].map((one) => one.textContent)"
    chosen = (
        "[...document.querySelectorAll('[data-any] :checked')].map((i) => i.labels[0].innerText)"
    )
    assert page.evaluate(shown) == page.evaluate(chosen) == [NASTY[9:], "other"]
    page.evaluate("document.querySelectorAll('[data-any] :checked')[1].focus()")
    page.key("ArrowRight")
    assert page.evaluate(shown) == [NASTY[9:], "tool-evaluation"]
    for _ in range(3):  # the target, the source, and then what is on the left: they change places
        page.key("ArrowRight")
    assert page.evaluate(shown) == page.evaluate(chosen) == ["source", NASTY[9:]]
    page.click("[data-next]")  # what is compared stays
    assert page.evaluate(shown) == ["source", NASTY[9:]]
    assert page.evaluate("document.querySelector('[data-values] table').rows.length") == 4
    page.click("[data-zoom]")
    page.key("5")
    assert page.evaluate("document.querySelector('.canvas img').alt") == "target"
    page.key("Escape")


def test_charts_of_several_runs_say_nothing_of_steps_that_a_run_has_not(opened):
    page = opened("comparison")
    page.evaluate("document.querySelectorAll('[data-read] input')[0].focus()")
    values = "[...document.querySelectorAll('[data-chart] [data-value]')].map((o) => o.textContent)"
    at = "document.querySelector('[data-at]').textContent"
    assert page.evaluate(at) == "last"
    page.key("Home")
    assert page.evaluate(at) == "at step 0"
    assert len(set(page.evaluate(values)[:3])) == 1  # the runs logged the same
    page.key("End")
    first, stopped, seed = page.evaluate(values)[:3]
    assert (first, stopped, page.evaluate(at)) == (seed, "-", "at step 12")


def test_without_scripts_all_is_there(browser, files):
    page = browser.open(files["evaluated"], script=False, width=320)
    assert page.problems == []
    page.close()


def test_the_page_itself_forbids_requests_and_foreign_scripts(browser, files):
    page = browser.open(files["plain"])
    tried = "fetch('https://example.org').then(() => 'answered', () => 'refused')"
    assert page.evaluate(tried) == "refused"
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"a=1\">')")
    script = "Object.assign(document.createElement('script'), {text: 'window.a=1'})"
    page.evaluate(f"document.body.append({script})")
    assert page.evaluate("window.a === undefined")
    assert sum("Content Security Policy" in problem for problem in page.problems) >= 3
    page.close()
