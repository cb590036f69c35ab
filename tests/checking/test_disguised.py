"""Training pairs in validation are recognised though they are turned, recoloured or cut."""

import numpy as np
import pytest
import torch
from PIL import Image
from planted_faults import cut_to_a_part, mirrored, quarter_turn, recoloured, upside_down
from planted_pairs import findings, only, pair, texture, write

from imtrans.checking.data import copies
from imtrans.checking.data.cut_outs import cut_outs
from imtrans.checking.data.disguised import disguised
from imtrans.checking.data.inspected_pair import InspectedFile, InspectedPair, InspectedSide
from imtrans.checking.data.pixel_summary import summarise
from imtrans.data.encoding import Side
from imtrans.recipe.side_table import SideTable

SIDE = Side(SideTable())


def drawn(number):
    """Two sides that have nothing in common, uint8 (3, 64, 64)."""
    return [tensor(texture(number)), tensor(texture(1000 + number))]


def tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def inspected(*images):
    file = (InspectedFile((64, 64), None),)
    return InspectedPair(*(InspectedSide(file, summarise(i, SIDE, i)) for i in images))


TRAINING = [inspected(*drawn(number)) for number in range(20)]
OTHERS = [inspected(*drawn(number)) for number in range(20, 30)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (mirrored, "mirrored"),
        (upside_down, "upside down"),
        (quarter_turn, "turned left"),
        (recoloured, "as it is"),
    ],
)
def test_a_training_pair_in_disguise_is_recognised_with_what_was_done_to_it(change, words):
    planted = inspected(*(change(image) for image in drawn(7)))
    (found,) = disguised(TRAINING, [*OTHERS, planted])
    assert (found.validation, found.training, found.words) == (10, 7, words)
    assert found.correlation > 0.98


def test_a_part_of_a_training_pair_is_recognised():
    planted = inspected(*(cut_to_a_part(image) for image in drawn(7)))
    (found,) = cut_outs(TRAINING, [*OTHERS, planted])
    assert (found.validation, found.training, found.words) == (10, 7, "cut to a part")


def test_both_sides_must_be_alike_and_different_pairs_are_not():
    one_side = inspected(mirrored(drawn(7)[0]), drawn(55)[1])
    assert disguised(TRAINING, [*OTHERS, one_side]) == []
    assert cut_outs(TRAINING, [*OTHERS, one_side]) == []
    assert disguised([], OTHERS) == disguised(TRAINING, []) == cut_outs([], OTHERS) == []
    flat = inspected(*[torch.full((3, 64, 64), 9, dtype=torch.uint8)] * 2)
    assert disguised([flat] * 9, [flat]) == cut_outs([flat] * 9, [flat]) == []


def test_a_pair_in_disguise_is_a_near_leak_with_its_original(tmp_path):
    for number in range(10):
        write(tmp_path, "train", number)
    sides = (Image.open(tmp_path / f"train{side}" / "004.png").rotate(90) for side in "AB")
    write(tmp_path, "val", 50, *sides)
    found = only(findings(tmp_path), "near-leak")
    assert [row.name for row in found.rows] == [pair(50, "val")]
    assert found.rows[0].detail.startswith(f"nearly {pair(4)} turned left (the thumbnails of both")
    assert copies.LEAK in found.remedy
