"""What `imtrans.load(run)` takes in Python, and that it returns the same."""

import warnings

import numpy as np
import pytest
import torch
from drawn import draw_picture
from PIL import Image
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.data.encoding import Direct
from imtrans.recipe.schema import DataTable
from imtrans.translation.translator import Translator


class Inverse(nn.Module):
    stride = 1

    def forward(self, source):
        return -source


def translator(**side):
    data = DataTable(root="x", source=side, target=side)
    return Translator(Inverse(), Direct(data), device=torch.device("cpu"))


@pytest.fixture
def picture():
    return draw_picture(3, (7, 5))


def test_each_form_becomes_the_same_form(picture, tmp_path):
    array, inverse = np.asarray(picture), 255 - np.asarray(picture)
    picture.save(tmp_path / "x.png")
    translate = translator()
    for path in (tmp_path / "x.png", str(tmp_path / "x.png")):
        assert np.array_equal(np.asarray(translate(path)), inverse)
    assert np.array_equal(np.asarray(translate(picture)), inverse)
    of_array, of_tensor = translate(array), translate(torch.tensor(array).permute(2, 0, 1))
    assert (type(of_array), of_array.dtype) == (np.ndarray, np.uint8)
    assert np.array_equal(of_array, inverse)
    assert (of_tensor.dtype, of_tensor.shape) == (torch.uint8, (3, 5, 7))
    assert np.array_equal(of_tensor.permute(1, 2, 0), inverse)


def test_an_array_without_channels_has_none_afterwards():
    grey = np.arange(35, dtype=np.uint8).reshape(5, 7)
    assert np.array_equal(translator(channels=1)(grey), 255 - grey)


def test_a_grey_array_is_taken_as_a_grey_file_is(tmp_path):
    grey = np.arange(35, dtype=np.uint8).reshape(5, 7)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    of_file = np.asarray(translator()(tmp_path / "grey.png"))
    assert np.array_equal(translator()(grey[..., None]), of_file)


def test_channels_in_the_wrong_place_are_named():
    with pytest.raises(ImtransError, match=r"a tensor is .C, H, W.; this one is .40, 50, 3."):
        translator()(torch.zeros(40, 50, 3, dtype=torch.uint8))


def test_values_beyond_the_range_of_training_get_a_line():
    translate = translator(channels=1, dtype="uint16", range=(0, 4095))
    with pytest.warns(UserWarning, match=r"25% of its values are beyond .*, 0 \.\.\. 4095; its"):
        translate(np.array([[1, 2], [3, 5000]], np.uint16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        translate(np.array([[1, 2], [3, 4095]], np.uint16))


def test_other_depths_come_back_in_theirs():
    deep = (torch.arange(36).view(1, 4, 9) * 1000).to(torch.uint16)
    translate = translator(channels=1, dtype="uint16")
    found = translate(deep)
    assert found.dtype == torch.uint16
    assert torch.equal(found.int(), 65535 - deep.int())
    # What `translate` returns holds them in int32, and is taken too.
    assert torch.equal(translate(deep.int()).int(), found.int())
    floats = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    one = translator(channels=1, dtype="float32", range=(0, 1))(floats)
    assert one.dtype == np.float32
    assert np.allclose(one, 1 - floats, atol=1e-6)


def test_several_are_translated_one_by_one(picture, tmp_path):
    picture.save(tmp_path / "x.png")
    translate, array = translator(), np.asarray(picture)
    one, other = translate([picture, tmp_path / "x.png"])
    assert one.tobytes() == other.tobytes() == translate(picture).tobytes()
    batch = translate(np.stack([array, array]))
    assert [type(each) for each in batch] == [np.ndarray] * 2
    opened = []

    def files():
        for number in range(3):
            opened.append(number)
            yield tmp_path / "x.png"

    results = translate(files())
    assert opened == []
    assert isinstance(next(results), Image.Image)
    assert opened == [0, 1, 2]  # some dozens are read ahead
    assert len(list(results)) == 2


def test_more_channels_than_an_image_has_come_back_as_an_array(tmp_path):
    five = np.zeros((4, 4, 5), np.uint8)
    assert translator(channels=5)(five).shape == (4, 4, 5)
    np.save(tmp_path / "five.npy", five)
    with pytest.raises(ImtransError, match="Pillow has no image of 5 channels"):
        translator(channels=5)(tmp_path / "five.npy")
