"""From folders of pictures to batches: matched by name, cut alike, in an order of their own."""

import re
import tarfile

import pytest
import torch
from drawn import draw_picture, write_pairs
from PIL import Image

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.components.layouts.unpaired import Unpaired
from imtrans.data.draws import Order
from imtrans.data.loader import Batches
from imtrans.data.pairs import split_pairs
from imtrans.data.pixels import images
from imtrans.data.pixels.resize import resize
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable
from imtrans.task import Task


def write(path, number=0, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_picture(number, size).save(path)


def recipe_for(root, **keys):
    """A recipe of these pairs; networks play no part here."""
    recipe = recipes.read("maps")
    values = {"root": str(root), "crop_size": 32, "workers": 0, **keys}
    return recipe.model_copy(update={"data": DataTable(**values)})


def found(root, **keys):
    """(pairs to train on, pairs for validation, what reads them)."""
    task = Task(recipe_for(root, **keys), catalog())
    return task.pairs, task.validation_pairs, task.sampler


def names(pairs):
    return [pair.name for pair in pairs]


LAYOUTS = [
    ({"layout": "photos"}, "the layout 'photos' has targets only; name a derivation"),
    ({"layout": {"name": "table", "source": []}}, "the layout 'table' has targets only"),
    ({"layout": {"name": "shards", "source": ""}}, "the layout 'shards' has targets only"),
    ({"derive": "lab"}, "derives sources from targets alone; the layout 'side_by_side' has both"),
    ({"layout": "table", "derive": "lab"}, "the layout 'table' has both. leave data.derive out"),
    ({"layout": "unpaired", "derive": "lab"}, "the layout 'unpaired' has both"),
]


@pytest.mark.parametrize(("keys", "told"), LAYOUTS)
def test_a_layout_that_does_not_fit_the_derivation_is_refused_before_any_file_is_read(keys, told):
    with pytest.raises(ImtransError, match=re.escape(told)):
        _ = Task(recipe_for("nowhere", **keys), catalog()).layout


class Anything:
    """A third party's layout, which says of itself what it has."""

    def __init__(self, has_sources, pictures):
        self.has_sources, self.pictures = has_sources, pictures

    def has(self, split):
        return split == "train"

    def pairs(self, split):
        return [Pair("1", self.pictures, (Picture("1.png"),))]


def test_a_third_partys_layout_is_refused_as_a_built_in_one_is(tmp_path):
    targets_only = Anything(False, ())
    with pytest.raises(ImtransError, match="the layout 'mine' has targets only"):
        split_pairs(targets_only, DataTable(root=str(tmp_path), layout="mine"), 0)
    derived = DataTable(root=str(tmp_path), layout="mine", derive="lab")
    assert len(split_pairs(targets_only, derived, 0)[0]) == 1
    with pytest.raises(ImtransError, match="the layout 'mine' has both"):
        split_pairs(Anything(True, (Picture("0.png"),)), derived, 0)


def test_a_layout_that_is_wrong_about_itself_is_told(tmp_path):
    with pytest.raises(ImtransError, match="has_sources is True, but its pairs have none"):
        split_pairs(Anything(True, ()), DataTable(root=str(tmp_path), layout="mine"), 0)


def test_a_share_of_unpaired_pictures_is_refused(tmp_path):
    write(tmp_path / "trainA" / "1.png")
    write(tmp_path / "trainB" / "2.png")
    data = DataTable(root=str(tmp_path), layout="unpaired", validation=0.5)
    with pytest.raises(ImtransError, match="a share is drawn from pairs, and the layout"):
        split_pairs(Unpaired(str(tmp_path)), data, 0)


def test_the_direction_says_which_half_is_the_source(tmp_path):
    write_pairs(tmp_path / "train", 1)
    plain = []
    for direction in ("AtoB", "BtoA"):
        (pair,), _, sampler = found(tmp_path, direction=direction)
        plain.append(sampler.plain(pair))
    forth, back = plain
    assert torch.equal(forth[0], back[1])
    assert torch.equal(forth[1], back[0])
    assert not torch.equal(forth[0], back[0])


@pytest.mark.parametrize(("there", "count"), [("val", 1), ("test", 1), ("other", 0)])
def test_validation_pairs_are_those_of_val_or_test(tmp_path, there, count):
    write_pairs(tmp_path / "train", 2)
    write_pairs(tmp_path / there, 1)
    assert len(found(tmp_path)[1]) == count
    assert len(found(tmp_path, validation=there)[1]) == 1


def test_a_share_is_for_validation_by_the_seed(tmp_path):
    write_pairs(tmp_path / "train", 10)
    training, validation, _ = found(tmp_path, validation=0.3)
    assert (len(training), len(validation)) == (7, 3)
    assert sorted(names(training) + names(validation)) == names(found(tmp_path)[0])
    assert names(found(tmp_path, validation=0.3)[1]) == names(validation)
    with pytest.raises(ImtransError, match="0.01 leaves 0 of 10 pairs for validation"):
        found(tmp_path, validation=0.01)


def test_pairs_of_different_shapes_are_named(tmp_path):
    write(tmp_path / "trainA" / "1.png", size=(40, 30))
    write(tmp_path / "trainB" / "1.png", size=(30, 40))
    (pair,), _, sampler = found(tmp_path, layout="folders")
    with pytest.raises(ImtransError, match="the source is 40 x 30, the target 30 x 40: not the"):
        sampler.training([pair], 1, 0)


def test_a_side_may_be_larger_than_the_other(tmp_path):
    write(tmp_path / "trainA" / "1.png", size=(40, 30))
    write(tmp_path / "trainB" / "1.png", size=(160, 120))
    (pair,), _, sampler = found(tmp_path, layout="folders")
    assert [side.shape for side in sampler.training([pair], 1, 0)] == [(3, 32, 32)] * 2


def test_a_missing_root_is_told(tmp_path):
    with pytest.raises(ImtransError, match="nowhere: no such folder. put the pairs there, or name"):
        found(tmp_path / "nowhere")


def test_several_source_columns_are_one_source_of_all_their_channels(tmp_path):
    for name, mode in (("rgb", "RGB"), ("depth", "L"), ("out", "RGB")):
        draw_picture(1, (32, 32)).convert(mode).save(tmp_path / f"{name}.png")
    (tmp_path / "pairs.csv").write_text("rgb,depth,target\nrgb.png,depth.png,out.png\n")
    layout = {"name": "table", "source": ["rgb", "depth"]}
    keys = {"layout": layout, "source": {"channels": 4}, "flip": False}
    (pair,), _, sampler = found(tmp_path, **keys)
    source, target = sampler.training([pair], 1, 0)
    assert (source.shape, target.shape) == ((4, 32, 32), (3, 32, 32))
    assert torch.equal(source[:3], target)
    keys["source"] = {"channels": 5}
    (pair,), _, sampler = found(tmp_path, **keys)
    with pytest.raises(ImtransError, match="4 channels together; the recipe says channels = 5"):
        sampler.training([pair], 1, 0)


def test_shorter_resizes_the_shorter_side_and_keeps_the_shape(tmp_path):
    write(tmp_path / "trainA" / "1.png", size=(80, 40))
    write(tmp_path / "trainB" / "1.png", size=(80, 40))
    (pair,), _, sampler = found(tmp_path, layout="folders", resize="shorter", load_size=40)
    whole = images.to_tensor(draw_picture(0, (80, 40)))
    cut, _ = sampler.training([pair], 1, 0)
    places = [
        torch.equal(whole[:, y : y + 32, x : x + 32], seen)
        for y in range(9)
        for x in range(49)
        for seen in (cut, cut.flip(-1))
    ]
    assert any(places)
    assert torch.equal(sampler.plain(pair)[0], sampler.plain(pair)[1])


@pytest.mark.parametrize("channels", [1, 5])
def test_nearest_resampling_invents_no_value(channels):
    labels = torch.randint(0, 3, (channels, 37, 53), dtype=torch.int32) * 100
    resized = resize(labels, 64, 20, "nearest")
    assert resized.shape == (channels, 64, 20)
    assert set(resized.flatten().tolist()) <= {0, 100, 200}


def test_jitter_cuts_and_mirrors_both_halves_alike(tmp_path):
    for letter in "AB":
        write(tmp_path / f"train{letter}" / "1.png", size=(64, 64))
    (pair,), _, sampler = found(tmp_path, layout="folders", load_size=48)
    cuts = [sampler.training([pair], epoch, 0) for epoch in range(40)]
    assert all(torch.equal(source, target) for source, target in cuts)
    assert all(source.shape == (3, 32, 32) for source, _ in cuts)
    assert len({source.numpy().tobytes() for source, _ in cuts}) > 30


def test_every_offset_and_both_orientations_occur(tmp_path):
    ramp = torch.arange(4, dtype=torch.uint8).repeat(3, 4, 1)
    (tmp_path / "train").mkdir()
    images.to_image(torch.cat([ramp, ramp], dim=2)).save(tmp_path / "train" / "1.png")
    (pair,), _, sampler = found(tmp_path, load_size=4, crop_size=2)
    rows = {tuple(sampler.training([pair], e, 0)[0][0, 0].tolist()) for e in range(200)}
    assert rows == {(0, 1), (1, 2), (2, 3), (1, 0), (2, 1), (3, 2)}


def test_without_jitter_or_flip_a_sample_is_always_the_same(tmp_path):
    write_pairs(tmp_path / "train", 1)
    (pair,), _, sampler = found(tmp_path, flip=False)
    assert torch.equal(sampler.training([pair], 1, 0)[0], sampler.training([pair], 2, 0)[0])
    assert torch.equal(sampler.training([pair], 1, 0)[0], sampler.plain(pair)[0])


def test_an_odd_width_leaves_its_middle_column_to_neither_half(tmp_path):
    pixels = torch.zeros(3, 2, 5, dtype=torch.uint8)
    pixels[:, :, 2] = 255
    (tmp_path / "train").mkdir()
    images.to_image(pixels).save(tmp_path / "train" / "1.png")
    (pair,), _, sampler = found(tmp_path)
    source, target = sampler.plain(pair)
    assert not source.any()
    assert not target.any()


def test_a_file_too_narrow_for_two_halves_is_named(tmp_path):
    write(tmp_path / "train" / "1.png", size=(1, 8))
    (pair,), _, sampler = found(tmp_path)
    with pytest.raises(ImtransError, match="1.png: 1 px wide; it has no halves"):
        sampler.training([pair], 1, 0)


def batches(root, workers=0, batch_size=2, **keys):
    pairs, _, sampler = found(root, load_size=40, **keys)
    return Batches(
        pairs, sampler, Order(sampler.seed, len(pairs), batch_size), workers=workers, pin=False
    )


def take(walk, count):
    return [next(walk) for _ in range(count)]


def equal(one, other):
    return all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y))  # noqa: B905


def store_in_every_layout(root):
    """Six pairs, stored in four ways under the same names."""
    write_pairs(root / "side" / "train", 6)
    rows = ["source,target"]
    with tarfile.open(root / "train-0.tar", "w") as shard:
        for path in sorted((root / "side" / "train").iterdir()):
            with Image.open(path) as pair:
                width = pair.width // 2
                halves = {
                    "A": pair.crop((0, 0, width, pair.height)),
                    "B": pair.crop((width, 0, 2 * width, pair.height)),
                }
            for letter, half in halves.items():
                (root / f"train{letter}").mkdir(exist_ok=True)
                half.save(root / f"train{letter}" / path.name)
                side = "source" if letter == "A" else "target"
                shard.add(root / f"train{letter}" / path.name, f"{path.stem}.{side}.png")
            rows.append(f"trainA/{path.name},trainB/{path.name}")
    (root / "pairs.csv").write_text("\n".join(rows))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_pairs_give_identical_batches_in_every_layout(tmp_path, workers):
    store_in_every_layout(tmp_path)
    side = take(batches(tmp_path / "side", workers=workers).start(1, 0), 7)
    for layout in ("folders", "table", "shards"):
        assert equal(side, take(batches(tmp_path, workers=workers, layout=layout).start(1, 0), 7))


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(tmp_path, workers):
    write_pairs(tmp_path / "train", 5)
    alone = take(batches(tmp_path).start(1, 0), 7)
    assert equal(alone, take(batches(tmp_path, workers=workers).start(1, 0), 7))


@pytest.mark.parametrize(("epoch", "batch", "skipped"), [(1, 2, 2), (2, 0, 3), (2, 1, 4)])
def test_the_walk_can_be_taken_up_anywhere(tmp_path, epoch, batch, skipped):
    write_pairs(tmp_path / "train", 5)
    whole = batches(tmp_path)
    assert whole.order.steps() == 3
    assert equal(take(whole.start(1, 0), 8)[skipped:], take(whole.start(epoch, batch), 8 - skipped))


def test_an_epoch_shows_every_pair_once_in_an_order_of_its_own():
    def order(seed, epoch):
        return [index for _, index in Order(seed, 50, 50).together(epoch, 0)]

    orders = [order(0, 1), order(0, 2), order(1, 1)]
    assert all(sorted(one) == list(range(50)) for one in orders)
    assert len({tuple(one) for one in orders}) == 3
    assert order(0, 1) == orders[0]


def test_the_last_batch_of_an_epoch_holds_what_is_left(tmp_path):
    write_pairs(tmp_path / "train", 5)
    assert [len(source) for source, _ in take(batches(tmp_path).start(1, 0), 3)] == [2, 2, 1]


def test_reading_data_does_not_move_the_global_random_state(tmp_path):
    write_pairs(tmp_path / "train", 4)
    before = torch.get_rng_state()
    take(batches(tmp_path, workers=1).start(1, 0), 3)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_named_from_a_worker_too(tmp_path, workers):
    write_pairs(tmp_path / "train", 1)
    (tmp_path / "train" / "broken.png").write_bytes(b"no image")
    with pytest.raises(ImtransError, match="broken.png: not an image") as caught:
        take(batches(tmp_path, workers=workers).start(1, 0), 1)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(("layout", "orientation"), [("side_by_side", 1), ("photos", 6)])
def test_a_draft_is_never_smaller_than_the_pixels_that_are_needed(tmp_path, layout, orientation):
    """JPEG's own smaller sizes are a half, a quarter, an eighth."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = draw_picture(1, (800, 300)).resize((1600, 600))
    (tmp_path / "train").mkdir()
    picture.save(tmp_path / "train" / "1.jpg", exif=exif, quality=95)
    keys = {"layout": layout, "derive": "grayscale" if layout == "photos" else None}
    sizes = {}
    for load in (64, 80, 200, 256):
        pairs, _, sampler = found(tmp_path, draft=True, load_size=load, **keys)
        opened = sampler.reader.open(pairs[0], (load, load))
        sizes[load] = tuple(opened.target.pixels.shape[1:])
        assert min(sizes[load]) >= load
    whole = found(tmp_path, **keys)[2].reader.open(pairs[0], (64, 64)).target.pixels
    assert sizes[64] < sizes[256] <= tuple(whole.shape[1:])
    small = resize(whole, *sizes[64], "bicubic").float()
    drafted = found(tmp_path, draft=True, **keys)[2].reader.open(pairs[0], (64, 64)).target.pixels
    assert (small - drafted.float()).abs().mean() < 4  # of 255: the same picture, other pixels


def test_a_source_of_another_size_is_brought_to_the_targets(tmp_path):
    """Rounded each by itself, the sides could differ by one pixel."""
    for side, size in (("A", (151, 100)), ("B", (301, 200))):
        write(tmp_path / f"train{side}" / "1.png", size=size)
    pairs, _, sampler = found(
        tmp_path, layout="folders", resize="shorter", load_size=64, crop_size=64
    )
    for epoch in range(20):
        source, target = sampler.training(pairs, epoch, 0)
        assert source.shape == target.shape == (3, 64, 64)
