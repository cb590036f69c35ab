"""Sources and targets that do not belong together are found: all of them, or some; also turned."""

import numpy as np
import pytest
import torch
from PIL import Image
from planted_faults import (
    chosen,
    inverted,
    mirrored,
    shuffled,
    turned_by_half,
    upside_down,
)
from planted_pairs import findings, labels, only, pair, texture, write
from planted_shifts import evidences, read

from imtrans.checking.data.belonging import belonging
from imtrans.checking.data.signatures import CHANGES


def drawn(count):
    """Pairs of a texture and its labels, uint8 (3, 64, 64)."""
    photos = [texture(number) for number in range(count)]
    return [(tensor(photo), tensor(labels(photo))) for photo in photos]


def tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


SOME = drawn(60)


@pytest.fixture(scope="module")
def clean():
    return belonging(evidences(SOME))


def test_pairs_that_belong_together_are_told_from_shuffled_ones(clean):
    assert clean.strength > 20
    assert not clean.unrelated
    twenty = belonging(evidences(SOME[:20]))
    assert twenty.strength > 5
    assert not twenty.unrelated
    mixed = belonging(evidences(shuffled(SOME[:20], chosen(20, 1, 0))))
    assert mixed.unrelated
    assert abs(mixed.strength) < 3.3
    assert (mixed.suspects, mixed.better_changed) == ([], {})


def test_some_shuffled_pairs_are_named_and_no_others(clean):
    planted = chosen(60, 0.1, 1)
    compared = belonging(evidences(shuffled(SOME, planted)))
    assert not compared.unrelated
    assert set(compared.suspects) == set(planted)
    assert compared.better_changed == {}
    assert (clean.suspects, clean.better_changed) == ([], {})


def test_a_target_that_is_changed_is_named_with_its_change():
    changes = {
        7: (mirrored, "mirrored"),
        13: (upside_down, "upside down"),
        31: (turned_by_half, "turned by half"),
        50: (inverted, "inverted"),
    }
    planted = list(SOME)
    for index, (change, _) in changes.items():
        planted[index] = SOME[index][0], change(SOME[index][1])
    found = belonging(evidences(planted)).better_changed
    named = {index: CHANGES[which].words for index, which in found.items()}
    assert named == {index: words for index, (_, words) in changes.items()}


def test_few_pairs_and_blank_ones_are_not_evaluated():
    assert not belonging([]).unrelated
    one = [*SOME[:18], (SOME[18][0], torch.full_like(SOME[18][1], 9))]
    few = belonging(evidences(one))
    assert few.known == 18
    assert not few.unrelated
    assert few.suspects == []


@pytest.mark.thorough
def test_a_shuffled_set_is_an_error_and_one_whose_targets_look_alike_is_not(tmp_path):
    for number in range(24):
        write(tmp_path / "shuffled", "train", number, target=labels(texture(number + 500)))
        alike = np.array(labels(texture(0)))
        alike[number : number + 2, :4] = 200
        write(tmp_path / "alike", "train", number, target=Image.fromarray(alike))
    found = findings(tmp_path / "shuffled")
    assert only(found, "unrelated").severity == "error"
    assert "24 sources, each compared" in only(found, "unrelated").rows[0].detail
    assert "unrelated" not in [finding.subject for finding in findings(tmp_path / "alike")]


def test_a_shuffled_and_a_turned_pair_are_reported_by_name(tmp_path):
    for number in range(40):
        target = labels(texture({3: 9, 9: 3}.get(number, number)))
        write(tmp_path, "train", number, target=target.rotate(180) if number == 21 else target)
    found = findings(tmp_path)
    assert {row.name for row in only(found, "mismatched").rows} == {pair(3), pair(9)}
    assert only(found, "mismatched").severity == "warning"
    assert [row.name for row in only(found, "changed").rows] == [pair(21)]
    assert "turned by half" in only(found, "changed").rows[0].detail


# All real sets: `python tests/planted.py`.
@pytest.mark.soak
@pytest.mark.parametrize(
    ("folders", "found"),
    [pytest.param(["facades/val"], 0.9, marks=pytest.mark.thorough), (["edges2shoes"], 0.0)],
)
def test_in_real_pairs_what_was_shuffled_is_found_and_nothing_false(real_data, folders, found):
    real, _ = read([real_data / folder for folder in folders])
    clean = belonging(evidences(real))
    assert clean.strength > 2 * 3.3
    assert clean.suspects == []
    assert clean.better_changed == {}
    assert belonging(evidences(shuffled(real, chosen(len(real), 1, 0)))).unrelated
    planted = set(chosen(len(real), 0.1, 2))
    suspects = set(belonging(evidences(shuffled(real, sorted(planted)))).suspects)
    assert suspects <= planted
    assert len(suspects) >= found * len(planted)
