"""Misaligned and swapped pairs are found by comparison with the rest, and no others reported."""

import pickle

import numpy as np
import pytest
import torch
from planted_shifts import evidences, moved, plant_shifts, read

from imtrans.checking.data.alignment import Evidence, common_shift, learn, misaligned, swapped
from imtrans.checking.data.swapped import Sides

COLOURS = torch.tensor(
    [[40, 40, 200], [220, 60, 40], [60, 200, 60], [230, 220, 60], [200, 90, 220]]
)


def draw(seed, height=128, width=128):
    """A photograph of boxes, lit unevenly and with noise, and their labels."""
    random = torch.Generator().manual_seed(seed)

    def number(low, high):
        return int(torch.randint(low, high, (1,), generator=random))

    kinds = torch.zeros(height, width, dtype=torch.long)
    for _ in range(12):
        top, left = number(0, height - 16), number(0, width - 16)
        kinds[top : top + number(8, 40), left : left + number(8, 40)] = number(1, 5)
    light = torch.rand(3, 1, 1, generator=random) + torch.linspace(0.4, 1, width)
    noise = 25 * torch.randn(3, height, width, generator=random)
    photo = light * (20 + 45 * kinds) + noise
    labels = COLOURS[kinds].permute(2, 0, 1)
    return photo.clamp(0, 255).to(torch.uint8), labels.to(torch.uint8).contiguous()


def pairs(count=24, **size):
    return [draw(seed, **size) for seed in range(count)]


def test_a_set_of_aligned_pairs_has_no_suspects():
    correspondence = learn(pairs())
    seen = [correspondence.evidence(*pair) for pair in pairs()]
    assert misaligned(seen) == {}
    assert swapped(seen) == []
    assert common_shift(correspondence) is None


@pytest.mark.parametrize("fill", ["border", "wrap", "black"])
def test_planted_shifts_are_found_and_measured_and_their_neighbours_not_accused(fill):
    planted = {3: (0, 4), 10: (-3, 2), 17: (9, -12)}  # px of 128: twice as much of 256
    shifted = [
        (source, moved(target, *planted.get(index, (0, 0)), fill))
        for index, (source, target) in enumerate(pairs())
    ]
    suspects = misaligned(evidences(shifted))
    assert suspects.keys() == planted.keys()
    for index, (x, y) in planted.items():
        assert (suspects[index].x, suspects[index].y) == pytest.approx((x, y), abs=0.75)
        assert suspects[index].score > 3


def test_shifts_are_in_px_of_the_images_given_whatever_their_shape():
    wide = pairs(16, height=96, width=240)
    wide[5] = (wide[5][0], moved(wide[5][1], 12, -6))
    (suspect,) = misaligned(evidences(wide)).items()
    assert suspect[0] == 5
    assert suspect[1][:2] == pytest.approx((12, -6), abs=1)


def test_a_shift_of_the_whole_set_is_a_finding_of_its_own():
    shifted = [(source, moved(target, 3, -5)) for source, target in pairs()]
    correspondence = learn(shifted)
    assert common_shift(correspondence)[:2] == pytest.approx((3, -5), abs=0.5)
    assert misaligned([correspondence.evidence(*pair) for pair in shifted]) == {}


@pytest.mark.parametrize("count", [8, 24])
def test_sides_that_have_nothing_to_do_with_each_other_give_no_suspects(count):
    drawn = pairs(count)
    unrelated = [(drawn[i][0], drawn[i - 3][1]) for i in range(count)]
    correspondence = learn(unrelated)
    seen = [correspondence.evidence(*pair) for pair in unrelated]
    assert misaligned(seen) == {}
    assert common_shift(correspondence) is None
    # No pair influences its own result: else all would seem to fit best unshifted.
    unmoved = [
        np.abs(np.array(np.unravel_index(e.fit.argmax(), (33, 33))) - 16).max() for e in seen
    ]
    assert sum(distance <= 1 for distance in unmoved) <= count / 4


@pytest.mark.thorough
def test_too_few_pairs_and_images_of_one_colour_are_not_evaluated():
    few = [(source, moved(target, 10 * (i == 2), 0)) for i, (source, target) in enumerate(pairs(7))]
    assert misaligned(evidences(few)) == {}
    flat = [(torch.full_like(s, 9), torch.full_like(t, 255)) for s, t in pairs(9)]
    assert misaligned(evidences(flat)) == {}
    assert common_shift(learn(flat)) is None
    assert misaligned([]) == {}
    assert swapped([]) == []
    assert common_shift(learn([])) is None
    one = draw(0)
    assert not learn([one]).evidence(*one).fit.any()
    assert not learn([one] * 9).evidence(*one).fit.any()  # nine copies are one pair


def test_a_blank_pair_among_others_is_not_accused():
    some = pairs()
    some[4] = (some[4][0], torch.full_like(some[4][1], 255))
    assert misaligned(evidences(some)) == {}


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2), (300, 20)])
def test_images_of_any_shape_are_accepted(size):
    odd = [(torch.randint(0, 256, (3, *size)).to(torch.uint8),) * 2 for _ in range(8)]
    assert misaligned(evidences(odd)) == {}


def test_evidence_is_small_and_reproducible_and_can_be_pickled():
    correspondence = learn(pairs(12))
    assert sum(weights.nbytes for weights in correspondence.weights) < 8_000_000
    again = pickle.loads(pickle.dumps(learn(pairs(12))))
    first, second = (c.evidence(*draw(50)) for c in (correspondence, again))
    assert len(pickle.dumps(first)) < 8000
    for name in ("fit", "source", "target", "signatures", "changed", "gains"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert first.step == second.step == (1.0, 1.0)


def test_swapped_pairs_are_found_and_not_accused_of_a_shift():
    some = [pair[::-1] if index in (2, 11, 20) else pair for index, pair in enumerate(pairs())]
    seen = evidences(some)
    assert swapped(seen) == [2, 11, 20]
    assert misaligned(seen) == {}


@pytest.mark.thorough
def test_sides_that_look_alike_are_never_called_swapped():
    photos = [source for source, _ in pairs()]
    alike = [(photo, photos[index - 3]) for index, photo in enumerate(photos)]
    assert swapped(evidences(alike)) == []
    assert swapped(evidences([(photo, photo) for photo in photos])) == []


def test_one_unusual_image_is_not_a_swap():
    sides = [Sides(*kinds) for kinds in vectors(20)]
    strange, label = sides[6].source * -5, sides[6].target  # beyond the targets, but they are
    assert swapped([*sides, Sides(strange, label)]) == []
    assert swapped([*sides, Sides(label, sides[6].source)]) == [20]


def vectors(count):
    """What sources and targets look like, (5,) each: around 1 and -1."""
    random = np.random.default_rng(0)
    return [(1 + random.normal(0, 0.1, 5), -1 + random.normal(0, 0.1, 5)) for _ in range(count)]


def by_hand(kinds, x=0, y=0, height=8.0):
    """Evidence of a clear peak at (x, y), by hand."""
    fit = np.zeros((33, 33), dtype=np.float16)
    fit[16 + y, 16 + x] = height
    return Evidence(
        *kinds, fit, (2.0, 2.0), 0, np.zeros((2, 8), np.float16), np.zeros(6), np.zeros((2, 2))
    )


def test_a_set_is_evaluated_only_if_most_pairs_fit_best_unshifted():
    kinds = vectors(20)
    off = {1: (3, 0), 8: (0, -9)}
    assert misaligned([by_hand(k, *off.get(i, ())) for i, k in enumerate(kinds)]) == {
        1: (6, 0, 8),
        8: (0, -18, 8),
    }
    assert misaligned([by_hand(k, x=5 if i % 2 else 0) for i, k in enumerate(kinds)]) == {}
    # Nor if hardly any fit well, though all fit best unshifted.
    weak = [by_hand(k, 5 * (i == 1), 0, 8 if i < 9 else 4) for i, k in enumerate(kinds)]
    assert misaligned(weak) == {}


def test_a_suspect_must_fit_well_clearly_better_and_farther_off_than_hand_drawn_labels_are():
    kinds = vectors(20)
    rest = [by_hand(k) for k in kinds[:19]]
    last = kinds[19]
    assert list(misaligned([*rest, by_hand(last, 5)])) == [19]
    assert misaligned([*rest, by_hand(last, 5, height=4)]) == {}
    assert misaligned([*rest, by_hand(last, 1)]) == {}
    unsure = by_hand(last, 5)
    unsure.fit[16, 16] = 6
    assert misaligned([*rest, unsure]) == {}
    assert misaligned([*rest, by_hand(last[::-1], 5)]) == {}  # it is swapped


@pytest.mark.soak
@pytest.mark.parametrize(
    ("folders", "least"),
    [
        pytest.param(["facades/val"], 0.9, marks=pytest.mark.thorough),
        (["maps/trainA", "maps/trainB"], 0.5),
        (["edges2shoes"], 0.9),
        pytest.param(["sketch2shiba/train"], 0.7, marks=pytest.mark.thorough),
    ],
)
def test_in_real_pairs_planted_shifts_are_found_and_nothing_false(real_data, folders, least):
    real, _ = read([real_data / folder for folder in folders])
    correspondence = learn(real)
    as_it_is = [correspondence.evidence(*pair) for pair in real]
    assert misaligned(as_it_is) == {}
    assert swapped(as_it_is) == []
    assert common_shift(correspondence) is None
    planted, shifts = plant_shifts(real, 0.1, "border", seed=7)
    suspects = misaligned(evidences(planted))
    assert suspects.keys() <= shifts.keys()
    assert len(suspects) >= least * len(shifts)
    misses = [np.subtract(suspects[i][:2], shifts[i][:2]) for i in suspects]
    assert np.median(np.abs(misses).max(1)) < 1
    swaps = [pair[::-1] if index in shifts else pair for index, pair in enumerate(real)]
    assert swapped(evidences(swaps)) == sorted(shifts)
