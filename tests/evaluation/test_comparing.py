"""`imtrans compare`: differences on the same images, in words that claim no more than they show."""

import json
import shutil

import numpy as np
import pytest
from drawn import draw_picture, write_pairs
from PIL import Image

from imtrans.evaluation import comparison as comparison_module
from imtrans.evaluation import files
from imtrans.evaluation.comparison import ComparedSide, Comparison, PairedDifference, compared
from imtrans.evaluation.intervals import quantile_of_t
from imtrans.evaluation.verdict import cautions, verdicts
from imtrans.recipe.catalog import catalog

METRICS = "--metric", "l1", "--metric", "psnr"


@pytest.fixture
def noisy(imtrans, tmp_path):
    """Evaluates outputs that are targets with so much noise, in levels of 255; returns where."""
    (tmp_path / "targets").mkdir()
    for number in range(40):
        draw_picture(number, (48, 40)).save(tmp_path / "targets" / f"{number:02d}.png")

    def evaluated(name, noise, seed, numbers=range(40), metrics=METRICS):
        random = np.random.default_rng(seed)
        (tmp_path / name).mkdir()
        for number in numbers:
            target = np.asarray(Image.open(tmp_path / "targets" / f"{number:02d}.png"), np.float64)
            spread = noise * random.uniform(0.8, 1.2)
            output = (target + random.normal(0, spread, target.shape)).clip(0, 255).round()
            Image.fromarray(output.astype(np.uint8)).save(tmp_path / name / f"{number:02d}.png")
        code, _, err = imtrans("evaluate", name, "targets", *metrics)
        assert code in (0, 1), err
        return tmp_path / f"{name}-evaluation"

    return evaluated


def sides(*groups):
    return [
        ComparedSide(str(number), [files.read(place, catalog()) for place in group])
        for number, group in enumerate(groups)
    ]


def test_a_difference_is_that_of_a_paired_t_test(noisy):
    one, other = noisy("one", 30, 1), noisy("other", 32, 2)
    comparison = compared(sides([one], [other]))
    (difference,) = comparison.differences["psnr"]
    each = [files.read(place, catalog()).table.of_each["psnr"] for place in (one, other)]
    differences = np.subtract(each[1], each[0])
    reach = quantile_of_t(0.975, 39) * differences.std(ddof=1) / 40**0.5
    assert difference.value == pytest.approx(differences.mean(), abs=1e-9)
    assert difference.high - difference.low == pytest.approx(2 * reach, rel=0.08)
    assert difference.low + difference.high == pytest.approx(2 * difference.value)


def test_what_is_clearly_better_is_called_better(imtrans, noisy):
    one, other = noisy("one", 40, 1), noisy("other", 15, 2)
    code, out, _ = imtrans("compare", one, other)
    assert code == 0
    assert "other-evaluation is better than" in out
    assert "on these 40 images by 'l1', 'psnr'" in out
    assert "note: each is one training" in out
    _, backwards, _ = imtrans("compare", other, one)
    assert "one-evaluation is worse than" in backwards


def test_what_is_not_told_apart_is_not_called_better(imtrans, noisy):
    one, other = noisy("one", 30, 1), noisy("other", 30, 2)
    _, out, _ = imtrans("compare", one, other)
    assert "no metric tells" in out
    assert "better" not in out


def test_seeds_are_one_side_whose_values_vary(noisy):
    """Two recipes whose seeds vary more than their images: no difference can be told."""
    first = [noisy(f"a{seed}", level, seed) for seed, level in enumerate((20, 34, 27))]
    second = [noisy(f"b{seed}", level, 9 + seed) for seed, level in enumerate((31, 24, 36))]
    alone = compared(sides(first[:1], second[:1])).differences["psnr"][0]
    together = compared(sides(first, second)).differences["psnr"][0]
    assert alone.better is False
    assert together.better is None
    values = [
        [files.read(place, catalog()).table.estimates["psnr"].value for place in places]
        for places in (first, second)
    ]
    assert together.value == pytest.approx(np.mean(values[1]) - np.mean(values[0]), abs=1e-9)
    of_seeds = sum(np.var(each, ddof=1) / 3 for each in values) ** 0.5
    assert together.high - together.low > 2 * quantile_of_t(0.975, 4) * of_seeds * 0.98


def test_a_side_of_one_seed_is_taken_to_vary_as_the_others(noisy):
    first = [noisy(f"a{seed}", level, seed) for seed, level in enumerate((20, 34, 27))]
    one, another = noisy("one", 24, 9), noisy("another", 24, 10)
    alone = compared(sides(first[:1], [one])).differences["psnr"][0]
    mixed = compared(sides(first, [one])).differences["psnr"][0]
    assert alone.better is False
    assert mixed.better is None
    values = [files.read(place, catalog()).table.estimates["psnr"].value for place in first]
    reach = quantile_of_t(0.975, 2) * np.std(values, ddof=1) * (1 + 1 / 3) ** 0.5
    assert mixed.high - mixed.low == pytest.approx(2 * reach, rel=0.1)
    three = compared(sides([another], [one], first))
    assert any("taken to vary by seed" in note for note in cautions(three))
    width = three.differences["psnr"][0].high - three.differences["psnr"][0].low
    assert width > 2 * quantile_of_t(0.975, 2) * np.std(values, ddof=1) * 2**0.5 * 0.9


def test_the_interval_of_one_evaluation_is_that_of_its_images(noisy):
    one, other = noisy("one", 30, 1), noisy("other", 32, 2)
    found = compared(sides([one], [other])).intervals
    for name, estimate in files.read(one, catalog()).table.estimates.items():
        low, high = found[name][0]
        assert low < estimate.value < high
        assert high - low == pytest.approx(estimate.high - estimate.low, rel=0.1)


def test_the_interval_of_several_seeds_allows_for_others(noisy):
    first = [noisy(f"a{seed}", level, seed) for seed, level in enumerate((20, 34, 27))]
    one = noisy("one", 24, 9)
    comparison = compared(sides(first, [one]))
    values = [files.read(place, catalog()).table.estimates["psnr"].value for place in first]
    (low, high), (low_of_one, high_of_one) = comparison.intervals["psnr"]
    reach = quantile_of_t(0.975, 2) * np.std(values, ddof=1)
    assert high - low == pytest.approx(2 * reach / 3**0.5, rel=0.1)
    assert high_of_one - low_of_one == pytest.approx(2 * reach, rel=0.1)
    assert low < np.mean(values) < high


def test_very_few_images_have_no_interval(noisy):
    few = compared(sides([noisy("one", 30, 1, range(4))], [noisy("other", 30, 2, range(4))]))
    assert few.intervals["psnr"] == [None, None]


def test_metrics_that_not_all_have_are_named(noisy):
    one = noisy("one", 30, 1)
    other = noisy("other", 30, 2, metrics=("--metric", "ssim", "--metric", "l1"))
    notes = list(cautions(compared(sides([one], [other]))))
    assert any(note.startswith("'psnr', 'ssim' left out") for note in notes)


def test_only_images_that_all_have_with_equal_targets_are_compared(imtrans, noisy, tmp_path):
    one = noisy("one", 30, 1, range(30))
    for number in range(10):
        draw_picture(number + 100, (48, 40)).save(tmp_path / "targets" / f"{number:02d}.png")
    other = noisy("other", 30, 2, range(40))
    comparison = compared(sides([one], [other]))
    assert len(comparison.images) == 30
    assert (comparison.left_out, comparison.other_targets) == (10, 10)
    assert comparison.differences["l1"][0].n == 20
    notes = list(cautions(comparison))
    assert any("10 images left out, which not all" in note for note in notes)
    assert any("targets are not the same" in note for note in notes)


def test_nothing_in_common_is_one_line(imtrans, noisy):
    one, other = noisy("one", 30, 1, range(10)), noisy("other", 30, 2, range(20, 30))
    code, _, err = imtrans("compare", one, other)
    assert (code, "0 images in common" in err) == (2, True)
    single = noisy("single", 30, 1, range(1))
    code, _, err = imtrans("compare", one, single)
    assert (code, "1 image in common" in err, "two or more" in err) == (2, True, True)
    third = noisy("third", 30, 1, range(10), ("--metric", "ssim"))
    code, _, err = imtrans("compare", one, third)
    assert (code, "no metric in common" in err) == (2, True)


def test_runs_are_evaluated_when_they_were_not(imtrans, finished_run, tmp_path, pairs):
    write_pairs(pairs / "val", 5)
    for name in ("one", "other", "seed"):
        finished_run(tmp_path / "runs" / name)
    recipe = tmp_path / "runs" / "other" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('name = "vanilla"', 'name = "lsgan"'))
    recipe = tmp_path / "runs" / "seed" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("seed = 0", "seed = 5"))
    code, out, _ = imtrans("compare", "runs/one", "runs/other", "runs/seed")
    assert code == 0
    assert out.count("was not evaluated yet") == 3
    assert "2 seeds" in out
    assert "no metric tells" in out  # the weights are the same
    code, out, _ = imtrans("compare", "one", "other", "--json")
    document = json.loads(out)
    assert document["differences"]["l1"][0]["better"] is None
    code, _, err = imtrans("compare", "runs/one", "runs/seed")
    assert (code, "more than their seed" in err) == (2, True)


def test_a_run_that_has_learned_more_since_is_said_to(imtrans, finished_run, tmp_path, pairs):
    write_pairs(pairs / "val", 4)
    run = finished_run(tmp_path / "runs" / "one")
    newest = run / "checkpoints" / "step_00000012"
    newest.rename(tmp_path / "aside")
    imtrans("evaluate", "--recipe", "one")
    (tmp_path / "aside").rename(newest)
    shutil.copytree(run, tmp_path / "runs" / "two")
    recipe = tmp_path / "runs" / "two" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("0.0002", "0.0003"))
    _, out, _ = imtrans("compare", "one", "two")
    assert "was evaluated at step 8, and is at step 12 now" in out


@pytest.mark.parametrize("file", ["metrics.json", "rows.safetensors"])
def test_damaged_evaluations_are_one_line(imtrans, noisy, file):
    one, other = noisy("one", 30, 1), noisy("other", 30, 2)
    content = (other / file).read_bytes()
    for damaged in (content[: len(content) // 2], b"[1, 2]", b""):
        (other / file).write_bytes(damaged)
        code, _, err = imtrans("compare", one, other)
        assert (code, len(err.strip().splitlines())) == (2, 1), err
        assert "evaluate again" in err


def test_what_is_no_run_is_one_line(imtrans, tmp_path):
    (tmp_path / "pictures").mkdir()
    assert "neither a run nor" in imtrans("compare", "pictures", "pictures")[2]
    assert "no such run" in imtrans("compare", "nowhere", "else")[2]


def told(*rows):
    """The verdict on differences (value, low, high) of metrics a, b, ...: higher is better."""
    differences = {
        name: [PairedDifference(value, 40, True, low, high)]
        for name, (value, low, high) in zip("abcd", rows, strict=False)
    }
    named = [ComparedSide("first", [None]), ComparedSide("other", [None])]
    return next(verdicts(Comparison(named, ["x"] * 40, 0, 0, [], {}, differences)))


def test_verdicts_say_which_metrics_tell_and_which_do_not():
    better, worse, open_ = (1, 0.5, 1.5), (-1, -1.5, -0.5), (0.1, -0.5, 0.7)
    assert told(better, open_) == (
        "other is better than first on these 40 images by 'a'; 'b' cannot tell"
    )
    assert told(better, worse) == (
        "the metrics disagree on these 40 images: other is better than first by 'a', and worse by "
        "'b'"
    )
    assert told(open_, open_) == "no metric tells other from first on these 40 images"
    assert "worse than first" in told(worse)


def test_many_sides_are_compared_a_few_at_a_time(noisy, monkeypatch):
    places = [noisy(name, 30, seed) for seed, name in enumerate(("one", "other", "third"))]
    together = compared(sides(*[[place] for place in places])).differences
    monkeypatch.setattr(comparison_module, "WIDEST", 2)
    assert compared(sides(*[[place] for place in places])).differences == together
