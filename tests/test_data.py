"""From folders of pictures to batches: matched by name, cut alike, in an order of their own."""

import pytest
import torch
from drawn import draw_picture, write_pairs

from imtrans.data import images
from imtrans.data.draws import epoch_order
from imtrans.data.loader import Batches
from imtrans.data.pairs import training_pairs, validation_pairs
from imtrans.data.samples import Sampler
from imtrans.errors import ImtransError
from imtrans.schema import DataTable


def write(path, number=0, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_picture(number, size).save(path)


def table(root, **keys):
    return DataTable(**{"root": str(root), "crop_size": 32, **keys})


def names(pairs):
    return [pair.name for pair in pairs]


def test_a_pair_side_by_side_is_two_halves_of_one_file(tmp_path):
    write_pairs(tmp_path / "train", 2)
    pair = training_pairs(table(tmp_path))[1]
    assert pair.source.path == pair.target.path == tmp_path / "train" / "001.png"
    assert (pair.source.half, pair.target.half) == ("left", "right")


def test_the_direction_says_which_half_is_the_source(tmp_path):
    write_pairs(tmp_path / "train", 1)
    forth, back = (
        Sampler(data, 0).plain(training_pairs(data)[0])
        for data in (table(tmp_path), table(tmp_path, direction="BtoA"))
    )
    assert torch.equal(forth[0], back[1])
    assert torch.equal(forth[1], back[0])
    assert not torch.equal(forth[0], back[0])


def test_folders_are_matched_by_name_whatever_the_order_and_the_suffix(tmp_path):
    for name in ("b.png", "sub/a.png", "c.jpg"):
        write(tmp_path / "trainA" / name)
    for name in ("c.png", "sub/a.jpg", "b.png"):
        write(tmp_path / "trainB" / name)
    pairs = training_pairs(table(tmp_path, layout="folders"))
    assert names(pairs) == ["b", "c", "sub/a"]
    for pair in pairs:
        assert pair.source.path.stem == pair.target.path.stem


def test_orphans_are_refused_by_name(tmp_path):
    for name in ("1.png", "2.png", "3.png"):
        write(tmp_path / "trainA" / name)
    write(tmp_path / "trainB" / "2.png")
    with pytest.raises(ImtransError) as caught:
        training_pairs(table(tmp_path, layout="folders"))
    told = str(caught.value)
    assert "2 images have no partner in trainB: trainA/1.png, trainA/3.png" in told
    write(tmp_path / "trainB" / "9.png")
    (tmp_path / "trainA" / "1.png").unlink()
    (tmp_path / "trainA" / "3.png").unlink()
    with pytest.raises(ImtransError, match="1 image has no partner in trainA: trainB/9.png"):
        training_pairs(table(tmp_path, layout="folders"))


def test_a_name_that_stands_twice_is_refused(tmp_path):
    for name in ("trainA/1.png", "trainA/1.jpg", "trainB/1.png"):
        write(tmp_path / name)
    with pytest.raises(ImtransError, match="'1' stands there twice, as 1.jpg and 1.png"):
        training_pairs(table(tmp_path, layout="folders"))


def test_photos_are_their_own_source(tmp_path):
    write(tmp_path / "train" / "daisy" / "1.jpg")
    (pair,) = training_pairs(table(tmp_path, layout="photos", derive="lab"))
    assert pair.source == pair.target


@pytest.mark.parametrize(("there", "found"), [("val", 1), ("test", 1), ("other", 0)])
def test_validation_pairs_are_those_of_val_or_test(tmp_path, there, found):
    write_pairs(tmp_path / "train", 2)
    write_pairs(tmp_path / there, 1)
    assert len(validation_pairs(table(tmp_path))) == found
    assert len(validation_pairs(table(tmp_path, validation=there))) == 1


@pytest.mark.parametrize(
    ("made", "keys", "told"),
    [
        ([], {"root": "nowhere"}, "nowhere: no such folder. put the pairs there, or name"),
        ([], {}, "train: no such folder. .* is empty"),
        (["photos/1.png"], {}, "holds 'photos'"),
        (["1.png"], {}, "images lie in .* itself: use --set data.train=."),
        (["trainA/1.png", "trainB/1.png"], {}, "use --set data.layout=folders"),
        (["train/1.png"], {"layout": "folders"}, "use --set data.layout=side_by_side"),
        (["train/notes.txt.png"], {"train": "nope"}, "nope: no such folder. .* holds 'train'"),
    ],
)
def test_what_is_not_there_is_told_with_what_to_do(tmp_path, monkeypatch, made, keys, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in made:
        write(tmp_path / "data" / name)
    with pytest.raises(ImtransError, match=told):
        training_pairs(table(**{"root": "data", **keys}))


def test_a_folder_without_images_is_told(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "readme.txt").write_text("no image")
    with pytest.raises(ImtransError, match=r"train: no images there \(looked for .png"):
        training_pairs(table(tmp_path))


def test_jitter_cuts_and_mirrors_both_halves_alike(tmp_path):
    for letter in "AB":
        write(tmp_path / f"train{letter}" / "1.png", size=(64, 64))
    data = table(tmp_path, layout="folders", load_size=48)
    (pair,), sampler = training_pairs(data), Sampler(data, 0)
    cuts = [sampler.training(pair, epoch, 0) for epoch in range(40)]
    assert all(torch.equal(source, target) for source, target in cuts)
    assert all(source.shape == (3, 32, 32) for source, _ in cuts)
    assert len({source.numpy().tobytes() for source, _ in cuts}) > 30


def test_every_offset_and_both_orientations_occur(tmp_path):
    ramp = torch.arange(4, dtype=torch.uint8).repeat(3, 4, 1)
    (tmp_path / "train").mkdir()
    images.to_image(torch.cat([ramp, ramp], dim=2)).save(tmp_path / "train" / "1.png")
    data = table(tmp_path, load_size=4, crop_size=2)
    (pair,), sampler = training_pairs(data), Sampler(data, 0)
    rows = {tuple(sampler.training(pair, e, 0)[0][0, 0].tolist()) for e in range(200)}
    assert rows == {(0, 1), (1, 2), (2, 3), (1, 0), (2, 1), (3, 2)}


def test_without_jitter_or_flip_a_sample_is_always_the_same(tmp_path):
    write_pairs(tmp_path / "train", 1)
    data = table(tmp_path, flip=False)
    (pair,), sampler = training_pairs(data), Sampler(data, 0)
    assert torch.equal(sampler.training(pair, 1, 0)[0], sampler.training(pair, 2, 0)[0])
    assert torch.equal(sampler.training(pair, 1, 0)[0], sampler.plain(pair)[0])


def test_an_odd_width_leaves_its_middle_column_to_neither_half(tmp_path):
    pixels = torch.zeros(3, 2, 5, dtype=torch.uint8)
    pixels[:, :, 2] = 255
    (tmp_path / "train").mkdir()
    images.to_image(pixels).save(tmp_path / "train" / "1.png")
    source, target = Sampler(table(tmp_path), 0).plain(training_pairs(table(tmp_path))[0])
    assert not source.any()
    assert not target.any()


def batches(root, workers=0, batch_size=2, **keys):
    data = table(root, load_size=40, **keys)
    return Batches(training_pairs(data), Sampler(data, 7), batch_size, workers=workers, pin=False)


def take(walk, count):
    return [next(walk) for _ in range(count)]


def equal(one, other):
    return all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y))  # noqa: B905


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(tmp_path, workers):
    write_pairs(tmp_path / "train", 5)
    alone = take(batches(tmp_path).start(1, 0), 7)
    assert equal(alone, take(batches(tmp_path, workers=workers).start(1, 0), 7))


@pytest.mark.parametrize(("epoch", "batch", "skipped"), [(1, 2, 2), (2, 0, 3), (2, 1, 4)])
def test_the_walk_can_be_taken_up_anywhere(tmp_path, epoch, batch, skipped):
    write_pairs(tmp_path / "train", 5)
    whole = batches(tmp_path)
    assert whole.per_epoch == 3
    assert equal(take(whole.start(1, 0), 8)[skipped:], take(whole.start(epoch, batch), 8 - skipped))


def test_an_epoch_shows_every_pair_once_in_an_order_of_its_own():
    orders = [epoch_order(0, epoch, 50) for epoch in (1, 2)] + [epoch_order(1, 1, 50)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert epoch_order(0, 1, 50) == orders[0]


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
