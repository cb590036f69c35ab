"""The page about a comparison says what the comparison says, and shows what every side shows."""

import json
import shutil
from dataclasses import replace

import pytest
from compared_runs import write_compared
from drawn import draw_picture
from parsed_page import ParsedPage
from PIL import Image

from imtrans.api.errors import ImtransError
from imtrans.evaluation.comparison import ComparedSide, Comparison, PairedDifference, compared
from imtrans.evaluation.sides import sides_of
from imtrans.recipe.catalog import catalog
from imtrans.reporting.comparing.members import short, with_short_names
from imtrans.reporting.comparing.page import write_comparison
from imtrans.reporting.comparing.values import decimals, signed, tables
from imtrans.reporting.limit import LIMIT

NASTY = """</script><b>&"'x"""


@pytest.fixture(scope="module")
def evaluated_once(trained_once, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    write_compared(trained_once / "run", folder)
    return folder


@pytest.fixture
def places(evaluated_once, tmp_path):
    """Runs and an evaluation to be compared, by name."""
    folder = tmp_path / "compared"
    shutil.copytree(evaluated_once, folder)
    runs = {path.name: path for path in (folder / "runs").iterdir()}
    return runs | {"tool": folder / "tool-evaluation"}


def page_of(tmp_path, *named):
    """The page about these, which is whole HTML and within its limit."""
    sides = sides_of(named, catalog(), split="validation", say=print, bar=None)
    written = write_comparison(compared(sides), tmp_path / "page.html")
    assert written.bytes == written.path.stat().st_size <= LIMIT
    return ParsedPage(written.path.read_text("utf-8"))


def thumbs(page):
    return [attrs for attrs in page.all("button") if "data-thumb" in attrs]


def test_the_command_writes_it_and_says_where(imtrans, places):
    code, out, _ = imtrans("compare", places["one"], places["other"], "--html", "page.html")
    assert (code, out.splitlines()[-1]) == (0, "page: page.html")
    code, out, err = imtrans("compare", places["one"], places["tool"], "--json", "--html", "b.html")
    assert json.loads(out)["images"]
    assert err == "page: b.html\n"


@pytest.mark.parametrize("file", [".", "nowhere/page.html"])
def test_a_file_that_cannot_be_is_refused_before_anything_is_measured(imtrans, places, file):
    shutil.rmtree(places["one"] / "evaluation")
    code, out, err = imtrans("compare", places["one"], places["other"], "--html", file)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert f"--html {file}" in err
    assert not (places["one"] / "evaluation").exists()


def test_it_says_which_is_better_how_certain_and_where_that_is_from(places, tmp_path):
    page = page_of(tmp_path, *places.values())
    for text in (
        "one , other and tool-evaluation",
        "other is better than one on these 9 images by 'l1'; 'psnr', 'ssim' cannot tell.",
        "9 images are few: intervals are rough.",
        "'one', 'tool-evaluation' have one seed, and are taken to vary by seed as the others do.",
        "other (2 seeds)",
        "Of a run with several seeds these are the outputs of the first.",
        "adversarial vanilla lsgan",
        "seed 0 0, 5",
        "Without a recipe: tool-evaluation.",
        "Without curves: tool-evaluation.",
        "results/*_fake_B.png against results/*_real_B.png",
        "step_00000012",
    ):
        assert text.replace(" ,", ",") in page.text.replace(" ,", ","), text
    rows = [attrs["class"] for attrs in page.all("tr") if attrs.get("class")]
    assert rows == ["better", "open", "open"] * 2
    labels = "one: .* other, seed 0: .* other, seed 5: "
    (chart,) = [a["aria-label"] for a in page.all("svg") if "l1 over" in a.get("aria-label", "")][
        :1
    ]
    assert all(label in chart for label in labels.split(".* "))


def test_every_image_that_all_show_has_its_outputs_side_by_side(places, tmp_path):
    page = page_of(tmp_path, places["one"], places["other"], places["tool"])
    first, *_ = rows = thumbs(page)
    assert [row["data-name"] for row in rows][:6] == [f"00{number}" for number in range(6)]
    sides = [attrs["data-side"] for attrs in page.all("img") if "data-side" in attrs]
    assert sides == ["source", "one", "other", "tool-evaluation", "target"] * len(rows)
    listed = json.loads(first["data-values"])
    assert listed["columns"] == ["one", "other", "tool-evaluation"]
    assert [row[0] for row in listed["rows"]] == ["l1", "psnr", "ssim"]
    assert page.text.count("Not selected by how good they are.") == 1
    assert "Worst or best in each" in page.text


def test_other_sources_are_shown_each_and_other_targets_leave_an_image_out(places, tmp_path):
    pictures = places["tool"] / "pictures"
    draw_picture(50, (64, 64)).save(pictures / "00000-source.png")
    draw_picture(50, (64, 64)).save(pictures / "00001-target.png")
    (pictures / "00002-output.png").unlink()
    page = page_of(tmp_path, places["one"], places["tool"])
    names = [row["data-name"] for row in thumbs(page)]
    assert names[0] == "000"
    assert not {"001", "002"} & set(names)
    sides = [attrs["data-side"] for attrs in page.all("img") if "data-side" in attrs]
    assert sides[:3] == ["source of one", "source of tool-evaluation", "one"]
    assert sides[5:7] == ["source", "one"]
    assert "1 image left out, whose targets are not the same everywhere: 001." in page.text
    assert "tool-evaluation: pictures cannot be shown: pictures/00002-output.png." in page.text


def test_nothing_to_show_is_a_sentence(places, tmp_path):
    for place in (places["tool"], places["one"] / "evaluation" / "validation"):
        facts = json.loads((place / "metrics.json").read_text())
        (place / "metrics.json").write_text(json.dumps(facts | {"pictures": [], "step": "x"}))
    (places["one"] / "recipe.toml").write_text("title = ")
    for name in ("metrics", "validation"):
        (places["one"] / f"{name}.jsonl").write_text("{")
    page = page_of(tmp_path, places["one"], places["tool"])
    for text in (
        "There is no image that all of these evaluations show.",
        "Without a recipe: one, tool-evaluation.",
        "Without curves: one, tool-evaluation.",
        "one: 1 line of metrics.jsonl cannot be read and is left out.",
    ):
        assert text in page.text, text


def test_facts_of_another_shape_are_a_line(places, tmp_path):
    facts = json.loads((places["tool"] / "metrics.json").read_text())
    (places["tool"] / "metrics.json").write_text(json.dumps(facts | {"pictures": [1]}))
    assert (
        "tool-evaluation: pictures cannot be read"
        in page_of(tmp_path, places["one"], places["tool"]).text
    )


def test_a_metric_that_cannot_be_built_here_is_named_as_it_is(places, tmp_path):
    named = places["one"], places["tool"]
    one, other = sides_of(named, catalog(), split="validation", say=print, bar=None)
    left_out = [replace(one.evaluations[0], left_out=["fcn_score left out: no scorer. why"])]
    write_comparison(compared([replace(one, evaluations=left_out), other]), tmp_path / "page.html")
    page = ParsedPage((tmp_path / "page.html").read_text("utf-8"))
    assert "fcn_score left out: no scorer. why." in page.text
    assert "Each is one training: another seed" in page.text
    assert "as these differences do. To compare recipes" in page.text


def test_names_of_others_are_texts_and_nothing_is_from_elsewhere(places, tmp_path):
    other = places["other"].rename(places["other"].with_name("a <i>&'\""))
    facts = json.loads((places["tool"] / "metrics.json").read_text())
    facts |= {"imtrans": NASTY, "outputs": NASTY}
    (places["tool"] / "metrics.json").write_text(json.dumps(facts))
    page = page_of(tmp_path, places["one"], other, places["tool"])
    assert NASTY in page.text
    assert "a <i>&'\" is better than one" in page.text
    whole = (tmp_path / "page.html").read_text()
    assert whole.count("</script>") == 1 + len(page.data)
    addresses = [a[key] for _, a in page.elements for key in ("src", "href") if a.get(key)]
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not [attrs for _, attrs in page.elements if "style" in attrs]  # the policy forbids it
    assert all("alt" in attrs for attrs in page.all("img"))


@pytest.mark.soak
def test_large_pictures_still_fit(places, tmp_path):
    noise = Image.effect_noise((900, 900), 90).convert("RGB")
    for name in ("one", "other"):
        for path in (places[name] / "evaluation" / "validation" / "pictures").glob("*.png"):
            noise.save(path, compress_level=1)
    assert "the files are exact" in page_of(tmp_path, places["one"], places["other"]).text


def test_one_that_is_not_there_is_one_line(places, tmp_path):
    with pytest.raises(ImtransError, match="name two runs or more"):
        page_of(tmp_path, places["one"])


# --- names and numbers ---


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (["runs/one", "runs/other"], ["one", "other"]),
        (["runs/one", "else/one"], ["runs/one", "else/one"]),
        (["one", "runs/one"], ["one", "runs/one"]),
        (["runs/a/evaluation/val", "runs/b"], ["a/evaluation/val", "b"]),
        (["/x/runs/", "."], ["runs", "."]),
        (["a", "a"], ["a", "a"]),
    ],
)
def test_names_are_the_ends_of_paths_that_tell_them_apart(named, expected):
    assert short(named) == expected


def made(*differences, names=("a", "b", "c")):
    """A comparison of one metric; differences are (value, low, high, higher is better)."""
    found = [PairedDifference(value, 40, way, low, high) for value, low, high, way in differences]
    sides = [ComparedSide(name, [None]) for name in names[: len(found) + 1]]
    return Comparison(sides, ["x"] * 40, 0, 0, [], {"m": [1.0] * len(sides)}, {"m": found})


def test_no_two_sides_have_the_same_name():
    sides = with_short_names(made((1, 0, 2, True), names=("a", "a"))).sides
    assert [side.name for side in sides] == ["a (1)", "a (2)"]


@pytest.mark.parametrize("higher", [True, False])
def test_better_is_drawn_on_the_right_on_one_scale(higher):
    sign = 1 if higher else -1
    spans = [sorted((sign * low, sign * high)) for low, high in ((1, 3), (-4, 2))]
    one, other = tables(
        made(
            (sign * 2, *spans[0], higher),
            (-sign, *spans[1], higher),
        )
    )
    assert (one.rows[0].low, one.rows[0].at, one.rows[0].high) == (615, 730, 845)
    assert (other.rows[0].low, other.rows[0].at, other.rows[0].high) == (40, 385, 730)
    assert [table.rows[0].kind for table in (one, other)] == ["better", "open"]


def test_a_difference_of_nothing_is_drawn_in_the_middle():
    row = tables(made((0, 0, 0, True)))[0].rows[0]
    assert (row.at, row.low, row.high, row.difference, row.verdict) == (
        *(500, 500, 500),
        *("0", "not told apart"),
    )
    assert tables(made((0.5, None, None, True)))[0].rows[0].interval == "-"


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (-0.005798, 0.0004041, ("\u22120.0058", "+0.0004")),
        (0.0000068, 0.01213, ("+0.00001", "+0.01213")),
        (-1.23, 1.61, ("\u22121.2", "+1.6")),
        (-1500, 2500, ("\u22121,500", "+2,500")),
        (0, 0, ("0", "0")),
    ],
)
def test_an_interval_has_the_digits_that_its_width_allows(low, high, texts):
    digits = decimals(low, high)
    assert (signed(low, digits), signed(high, digits)) == texts
