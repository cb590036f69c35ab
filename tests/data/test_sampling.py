"""Training samples: which draws make them, of pairs and of sides that do not belong together."""

import pickle
from collections import Counter
from hashlib import sha256

import pytest
import torch
from loading import Loading

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.data.cache.obtain import obtain
from imtrans.data.draws import Order
from imtrans.data.loader import Batches
from imtrans.data.pixels import images
from imtrans.data.resident import Resident
from imtrans.data.samples import Sampler
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable

CPU = torch.device("cpu")


class Both:
    """An augmentation that changes nothing, and keeps what it was given and drew."""

    sides = "both"

    def __init__(self):
        self.drawn, self.seen = [], []

    def __call__(self, image, draw, resample):
        self.drawn.append(draw.randrange(10**6))
        self.seen.append(image)
        return image


class Source(Both):
    sides = "source"


class Kept:
    """A derivation that changes nothing, and keeps what it drew."""

    source_channels = target_channels = 3

    def __init__(self):
        self.drawn = []

    def derive(self, photo, draw):
        self.drawn.append(draw.randrange(10**6))
        return photo * 2 - 1

    def target(self, photo):
        return photo * 2 - 1


def chart(path, blue=0, size=(9, 11)):
    """A picture whose red is each pixel's column, green its row; blue tells pictures apart."""
    row, column = torch.meshgrid(*(torch.arange(side) for side in size), indexing="ij")
    path.parent.mkdir(parents=True, exist_ok=True)
    images.to_image(torch.stack([column, row, row * 0 + blue]).to(torch.uint8)).save(path)
    return Picture(str(path))


def place(side):
    """(left, top, mirrored, blue) of a cut of a chart."""
    if side.dtype != torch.uint8:
        side = ((side + 1) * 127.5).round()
    (first, second), top, blue = side[0, 0, :2].tolist(), int(side[1, 0, 0]), int(side[2, 0, 0])
    return int(min(side[0, 0, 0], side[0, 0, -1])), top, second < first, blue


def table(root, **keys):
    return DataTable(root=str(root), **{"load_size": 9, "crop_size": 4, "resize": "shorter"} | keys)


# Pairs: recorded before there were unpaired ones. A run that is resumed rests on them.

PLACES = [(5, 3, False, 0), (1, 5, False, 0), (2, 2, False, 0), (4, 0, True, 0)]
UNFLIPPED = [(*row[:2], False, 0) for row in PLACES]
BOTH = [261308, 304564, 113329, 406057]
RECORDED = [
    ("", True, PLACES, [], [], []),
    ("", False, UNFLIPPED, [], [], []),
    ("augment", True, PLACES, BOTH, [19714, 134081, 844686, 511055], []),
    ("augment", False, UNFLIPPED, [573901, 851262, 310924, 799116], BOTH, []),
    (
        *("augment derive", True, PLACES, BOTH),
        *([601957, 239967, 461381, 566875], [404019, 44237, 971017, 35692]),
    ),
    (
        *("augment derive", False, UNFLIPPED, [573901, 851262, 310924, 799116]),
        *([560829, 213842, 689864, 683317], [241598, 509653, 779253, 50649]),
    ),
]


@pytest.mark.parametrize(("how", "flip", "places", "both", "source", "derived"), RECORDED)
def test_pairs_are_drawn_as_ever(tmp_path, how, flip, places, both, source, derived):
    picture = chart(tmp_path / "1.png")
    parts = Both(), Source(), Kept()
    sampler = Sampler(
        table(tmp_path, flip=flip),
        3,
        augmentations=parts[:2] if "augment" in how else (),
        derivation=parts[2] if "derive" in how else None,
    )
    pairs = [Pair("1", (picture,), (picture,))] * 200
    for (epoch, index), wanted in zip([(1, 0), (1, 1), (2, 0), (7, 123)], places, strict=True):
        sample = sampler.training(pairs, epoch, index)
        assert [place(side) for side in sample] == [wanted, wanted]
    step = 1 if "derive" in how else 2  # both halves draw alike; of a photograph there is one
    assert parts[0].drawn == [drawn for drawn in both for _ in range(step)]
    assert [part.drawn for part in parts[1:]] == [source, derived]


def test_a_sampler_that_reads_a_cache_leaves_the_other_as_it_was(tmp_path):
    sampler = Sampler(table(tmp_path), 3, paired=False)
    cached = sampler.reading("a cache")
    assert (sampler.cache, cached.cache, cached.reading(None).cache) == (None, "a cache", None)
    assert (cached.paired, cached.seed, cached.data) == (False, 3, sampler.data)
    with pytest.raises(AttributeError):
        sampler.cache = "a cache"


# Unpaired


@pytest.fixture
def apart(tmp_path):
    """Seven sources, blue 100 to 106, with twelve targets, blue 200 to 211, of other shapes."""
    sources = [chart(tmp_path / "trainA" / f"s{n}.png", 100 + n) for n in range(7)]
    targets = [chart(tmp_path / "trainB" / f"t{n}.png", 200 + n, (14, 9)) for n in range(12)]
    return [Pair(str(n), (sources[n % 7],), (targets[n],)) for n in range(12)]


def unpaired(root="x", **keys):
    return Sampler(table(root, **keys), 3, paired=False)


def test_a_source_keeps_its_place_and_meets_a_target_drawn_from_all(apart):
    sampler = unpaired()
    met = Counter()
    for epoch in range(1, 101):
        for index in range(12):
            source, target = (place(side) for side in sampler.training(apart, epoch, index))
            assert source[3] == 100 + index % 7
            met[index, target[3] - 200] += 1
    counts = [met[index, other] for index in range(12) for other in range(12)]
    assert sum(counts) == 1200
    # 100 draws out of 12 for each source: chi squared has 143 degrees of freedom.
    assert sum((count - 100 / 12) ** 2 / (100 / 12) for count in counts) < 200


def test_each_side_has_a_crop_and_a_flip_of_its_own(apart):
    sampler = unpaired()
    seen = [tuple(place(s) for s in sampler.training(apart, epoch, 0)) for epoch in range(1500)]
    assert {source[2:3] + target[2:3] for source, target in seen} == {
        (mine, other) for mine in (False, True) for other in (False, True)
    }
    assert {source[:2] for source, _ in seen} == {(x, y) for x in range(8) for y in range(6)}
    assert {target[:2] for _, target in seen} == {(x, y) for x in range(6) for y in range(11)}
    assert sum(source[0] == target[0] for source, target in seen) < 300  # one of eight by chance


def test_what_is_unpaired_depends_on_seed_epoch_and_index_alone(apart):
    def drawn(sampler, epoch, index):
        content = b"".join(s.numpy().tobytes() for s in sampler.training(apart, epoch, index))
        return sha256(content).hexdigest()

    sampler = unpaired()
    there = {(e, i): drawn(sampler, e, i) for e in (1, 2) for i in range(12)}
    assert {key: drawn(unpaired(), *key) for key in reversed(there)} == there
    assert len(set(there.values())) == 24
    other = Sampler(table("x"), 4, paired=False)
    assert drawn(other, 1, 0) != there[1, 0]


def test_augmentations_of_unpaired_sides_draw_for_each_by_itself(apart):
    both, source = Both(), Source()
    sampler = Sampler(table("x"), 3, augmentations=[both, source], paired=False)
    sampler.training(apart, 1, 0)
    assert len(set(both.drawn)) == 2
    assert len(source.drawn) == 1
    assert [int((image[2, 0, 0] * 255).round()) // 100 for image in both.seen] == [2, 1]
    assert int((source.seen[0][2, 0, 0] * 255).round()) == 100


def test_unpaired_photographs_are_derived_from_one_and_met_by_another(apart):
    photos = [Pair(pair.name, (), pair.b) for pair in apart]
    derivation, both, mine = Kept(), Both(), Source()
    parts = {"derivation": derivation, "augmentations": [both, mine]}
    sampler = Sampler(table("x", derive="lab"), 3, **parts, paired=False)
    blues = [[place(s)[3] for s in sampler.training(photos, epoch, 4)] for epoch in range(20)]
    assert {source for source, _ in blues} == {204}
    assert len({target for _, target in blues}) > 5
    assert len(derivation.drawn) == len(mine.drawn) == 20
    assert len(set(both.drawn)) == 40


def test_the_direction_of_unpaired_sides_may_be_turned(apart):
    source, target = unpaired(direction="BtoA").training(apart, 1, 9)
    assert place(source)[3] == 209
    assert 100 <= place(target)[3] < 107


def test_unpaired_sides_are_shown_whole_each_in_its_middle(apart):
    source, target = unpaired().plain(apart[3])
    assert (source.shape, target.shape) == ((3, 4, 4), (3, 4, 4))
    assert (int(source[2, 0, 0]), int(target[2, 0, 0])) == (103, 203)
    square = unpaired(resize="square", crop_size=9).plain(apart[3])
    assert [side.shape for side in square] == [(3, 9, 9)] * 2


def test_halves_of_two_files_may_meet(tmp_path):
    pairs = []
    for n in range(5):
        both = torch.cat([torch.full((3, 8, 8), side + n) for side in (100, 200)], dim=2)
        images.to_image(both.to(torch.uint8)).save(tmp_path / f"{n}.png")
        halves = (Picture(str(tmp_path / f"{n}.png"), half) for half in ("left", "right"))
        pairs.append(Pair(str(n), *((half,) for half in halves)))
    sampler = unpaired(load_size=8, resize="square")
    met = {tuple(int(s[0, 0, 0]) for s in sampler.training(pairs, e, 2)) for e in range(60)}
    assert met == {(102, 200 + n) for n in range(5)}


@pytest.mark.parametrize("resize", ["square", "shorter"])
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_a_cache_gives_the_unpaired_samples_of_the_files(tmp_path, apart, resize, direction):
    root = {"root": str(tmp_path), "resize": resize, "direction": direction, "load_size": 7}
    sampler = unpaired(**root)
    cache = obtain(sampler, apart, passes=9, say=print)
    cached = sampler.reading(pickle.loads(pickle.dumps(cache)))
    for epoch in (1, 2):
        for index in range(12):
            here, there = (one.training(apart, epoch, index) for one in (sampler, cached))
            assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
    assert cache.one_size


def test_a_cache_of_pairs_is_none_of_unpaired_sides(tmp_path):
    picture = chart(tmp_path / "1.png")
    pairs = [Pair("1", (picture,), (picture,))] * 2
    folders = {
        obtain(Sampler(table(tmp_path), 3, paired=paired), pairs, passes=9, say=print).folder
        for paired in (True, False)
    }
    assert len(folders) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_unpaired_batches_come_alike_from_files_processes_and_the_device(apart, workers):
    sampler = unpaired(load_size=8)
    cache = obtain(sampler, apart, passes=9, say=print)
    order = Order(sampler.seed, len(apart), 5)
    resident = Resident(sampler.reading(cache), order, CPU)
    batches = Batches(apart, sampler, order, workers=workers, pin=False)
    assert order.steps() == 3
    both = zip(resident.start(2, 1), batches.start(2, 1), strict=False)
    for (one, other), _ in zip(both, range(7), strict=False):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_damaged_unpaired_picture_is_named(apart):
    path = apart[3].b[0].path
    with open(path, "wb") as file:
        file.write(b"no image")
    with pytest.raises(ImtransError, match="t3.png: not an image"):
        [unpaired().training(apart, epoch, 0) for epoch in range(40)]


@pytest.fixture
def learns_unpaired(monkeypatch):
    """The method of all recipes learns without pairs."""
    monkeypatch.setattr(catalog().methods["pix2pix"].made, "paired", False)


def test_a_recipe_of_the_unpaired_layout_is_read_unpaired(tiny_file, apart, learns_unpaired):
    root = apart[0].a[0].path.rpartition("/trainA/")[0]
    keys = [f"data.root={root}", "data.layout=unpaired", "data.resize=shorter"]
    loading = Loading(tiny_file, *keys)
    assert not loading.sampler().paired
    assert len(loading.pairs) == 12
    loading.check()


def test_a_paired_layout_is_read_unpaired_where_the_method_is(tiny_file, learns_unpaired):
    loading = Loading(tiny_file)
    assert not loading.sampler().paired
    loading.check()
