"""The rules of a plan: what `imtrans init` chooses, when, why, and who says so.

Each key of a recipe has one row or several. Of those whose case is given, the first decides; where
none is, or its value is None, the recipe does not have the key. Rows are applied from the top, so
that later ones read what earlier ones chose, as `f["train.batch_size"]`. In cases, values and
reasons `f` is the situation.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from imtrans.data.draws import validation_indices
from imtrans.drafting.situation import Situation


class When(NamedTuple):
    """When a rule holds, in words and as a function of the situation."""

    words: str
    holds: Callable[[Situation], bool]


class Rule(NamedTuple):
    """The key, its case, its value or the function that finds it, the reason, and its source."""

    key: str
    case: When
    value: Any
    reason: str
    source: str

    @property
    def calculated(self) -> str:
        """What a function finds, in words: those of its docstring."""
        return inspect.getdoc(self.value) or ""


# --- sources -------------------------------------------------------------------------------------

PAPER = "Isola et al. 2017, section 6.2"
SHOES = "Isola et al. 2017, section 6.2: edges2shoes, 50,000 pairs, has none"
SWEEPS = "measured: recipes/sweeps"
CHIRALITY = "Lin et al. 2020 (arXiv 2006.09512); measured on these files"
FILES = "these files"
STEP = "measured: a step on this machine"
DOCTOR = "measured: `imtrans doctor`"
NETWORK = "how the network is built"
SPEED = "measured: `imtrans bench load`"
CHEAP = "validation should cost a few per cent of the time"

# --- cases ---------------------------------------------------------------------------------------

ALWAYS = When("always", lambda f: True)

UNREAD = When("no file could be read", lambda f: not f.sizes)
LARGE = When("most files are 224 px or more", lambda f: f.shortest >= 224)
MIDDLE = When("most files are 112 px or more", lambda f: f.shortest >= 112)
RESIZED = When("not all files have the crop size", lambda f: not f.as_they_are)
ELONGATED = When("the files are not square", lambda f: f.elongated and not f.as_they_are)
OF_256 = When("crops of 256 px", lambda f: f.crop == 256)
OF_128 = When("crops of 128 px", lambda f: f.crop == 128)

HANDED = When("the sides are called left and right", lambda f: f.handed)
MIRRORED = When(
    "mirrored pictures can be distinguished from the others", lambda f: f.chirality.seen
)
LABELS_OUT = When("the target is a label map", lambda f: f.labels_out)
LABELS_IN = When("the source is a label map", lambda f: f.labels_in)
BLURRED_IN = When("the source is a label map saved as JPEG", lambda f: bool(f.source.blurred))
FLAT_IN = When("the source has few colours", lambda f: bool(f.source.colours))
READ = When("sources are files", lambda f: not f.derived)
PHOTO_OUT = When(
    "the target is an 8-bit picture in colour", lambda f: f.target.in_colour and not f.labels_out
)
GAME = When("the target is a picture", lambda f: not f.labels_out)
SMALL_GAME = When(
    "the target is a picture, in crops below 128 px", lambda f: not f.labels_out and f.crop < 128
)

SPLIT = When("a split for validation is there", lambda f: bool(f.validation))
ALONE = When("there is one pair", lambda f: f.pairs < 2)
LARGE_SET = When("20,000 pairs or more, resized", lambda f: f.pairs >= 20_000 and not f.as_they_are)
HUGE = When("10,000 pairs or more", lambda f: f.pairs >= 10_000)
FEW = When("fewer than 8 pairs to train on", lambda f: f.trained_on < 8)
FROM_PICTURES = When("a picture becomes a picture", lambda f: not (f.labels_in or f.labels_out))
LAB = When("colours alone are learned (lab)", lambda f: f.derived == "lab")
ON_A_CPU = When(
    "a CPU trains, and the target is a picture",
    lambda f: f.machine.device == "cpu" and not f.labels_out,
)

SMALLER = When(
    "a quarter of the width does not fit either", lambda f: f.shrunk > 2 and f.shortest >= 224
)
NARROW = When("the full width does not fit time or memory", lambda f: f.shrunk == 1)
NARROWER = When("half the width does not fit either", lambda f: f.shrunk >= 2)
NARROW_GAME = When(
    "the full width does not fit time or memory", lambda f: f.shrunk == 1 and not f.labels_out
)
NARROWER_GAME = When(
    "half the width does not fit either", lambda f: f.shrunk >= 2 and not f.labels_out
)
HALVED = When("memory allows half a batch", lambda f: f.parts == 2)
QUARTERED = When("memory allows a quarter of a batch", lambda f: f.parts == 4)
SHORT = When(
    "the hours allow fewer epochs than the number of pairs asks for",
    lambda f: f.affordable is not None and f.affordable < epochs_by_pairs(f),
)
NO_ROOM = When("decoded pairs would take more than half of the free disk", lambda f: not f.room)
LARGE_CACHE = When("they take more than 20 GB", lambda f: f.room and f.cached > USUAL_CACHE)
FASTER = When(
    "another precision than that of auto is faster here",
    lambda f: f.machine.auto != f.machine.faster,
)

# --- values that are calculated ------------------------------------------------------------------

USUAL_CACHE = 20e9  # bytes, the default of data.cache_limit
SHOWN = 600_000  # pairs in all, about as many as the paper shows of its larger sets
MOST, LEAST = 200, 5  # epochs
SHARES = (0.1, 0.2, 0.5)  # of the pairs, for validation: the first that leaves one
ENOUGH = 1_000  # pairs for validation, of however many
BETWEEN = 2_000  # pairs trained on between two validations, of which there are at least
TIMES = 10


def there(f: Situation) -> str:
    """its name"""
    return f.validation


def share(f: Situation) -> float:
    """a tenth, or what leaves a pair"""
    return next(s for s in SHARES if 0 < len(validation_indices(0, f.pairs, s)) < f.pairs)


def small_share(f: Situation) -> float:
    """that of 1,000 pairs"""
    return max(round(ENOUGH / f.pairs, 4), 0.0001)


def fitting(f: Situation) -> int:
    """the shorter side in multiples of 4, from 16 to 64"""
    return f.fitting


def crop_size(f: Situation) -> int:
    """crop_size"""
    return f.crop


def jittered(f: Situation) -> int:
    """286 / 256 of crop_size"""
    return f.jittered


def cache_size(f: Situation) -> float:
    """what is needed, in GB"""
    return float(-(-f.cached // 10**9) + 1)


def source_classes(f: Situation) -> list[list[int]]:
    """its colours"""
    return [list(colour) for colour in f.source.palette]


def target_classes(f: Situation) -> list[list[int]]:
    """its colours"""
    return [list(colour) for colour in f.target.palette]


def epochs_by_pairs(f: Situation) -> int:
    """600,000 / pairs; from 5 to 200"""
    return max(LEAST, min(MOST, round(SHOWN / f.trained_on)))


def epochs_by_hours(f: Situation) -> int:
    """as many as there is time for"""
    return max(1, f.affordable or 1)


def colours_batch(f: Situation) -> int:
    """4, or as many as fit into memory"""
    return 4 // f.parts


def halfway(f: Situation) -> int:
    """half of the epochs"""
    return max(1, f["train.epochs"] // 2)


def faster(f: Situation) -> str:
    """the faster one"""
    return f.machine.faster


def every(f: Situation) -> str:
    """2,000 pairs, in epochs; a tenth of them at most"""
    most = max(1, f["train.epochs"] // TIMES)
    epochs = min(max(1, round(BETWEEN / f.trained_on)), most)
    return f"{epochs} epochs" if epochs > 1 else "1 epoch"


# --- rules ---------------------------------------------------------------------------------------

# fmt: off
DATA = (
    Rule("data.validation", SPLIT, there,
         "pairs that are not trained on, to measure on: this split is there", FILES),
    Rule("data.validation", ALONE, None, "", "nothing is left to measure on"),
    Rule("data.validation", HUGE, small_share,
         "share of the pairs that is not trained on: about 1,000 are enough to measure on", CHEAP),
    Rule("data.validation", ALWAYS, share,
         "share of the pairs that is not trained on, to measure on: no split is there", FILES),
    Rule("data.crop_size", UNREAD, 256, "px; no file could be read", PAPER),
    Rule("data.crop_size", SMALLER, 128,
         "px; the square that the network sees: less than the files allow, to fit", STEP),
    Rule("data.crop_size", LARGE, 256,
         "px; the square that the network sees: the files allow 256", PAPER),
    Rule("data.crop_size", MIDDLE, 128,
         "px; the square that the network sees: the files allow 128", PAPER),
    Rule("data.crop_size", ALWAYS, fitting,
         "px; the square that the network sees: 64, or what smaller files allow", NETWORK),
    Rule("data.load_size", LARGE_SET, crop_size,
         "px; the files are {f.listed}; crops need not vary where so many pairs do{f.detail}",
         SHOES),
    Rule("data.load_size", RESIZED, jittered,
         "px; the files are {f.listed}; about 1.12 x crop_size, so that crops vary{f.detail}",
         PAPER),
    Rule("data.resize", ELONGATED, "shorter",
         "the files are not square: their shorter side becomes load_size, the shape stays", FILES),
    Rule("data.flip", HANDED, False,
         "no mirrored copies: they would exchange left and right, as the sides are called", FILES),
    Rule("data.flip", MIRRORED, False,
         "no mirrored copies: {f.chirality.right} of {f.chirality.of} pictures could be "
         "distinguished from theirs, so left and right differ (text, light from one side, things "
         "that point one way)", CHIRALITY),
    Rule("data.flip", ALWAYS, True,
         "mirrored copies too: {f.alike}. false if left and right differ, as in text", PAPER),
    Rule("data.cache", NO_ROOM, False,
         "decoded pairs would take {f.shown_cache}, more than half of the free disk", FILES),
    Rule("data.cache", ALWAYS, "auto",
         "pairs are decoded once, and kept: about {f.shown_cache}", SPEED),
    Rule("data.cache_limit", LARGE_CACHE, cache_size,
         "GB, of all caches together: this one would not fit into the usual 20", FILES),
    Rule("data.source.resample", BLURRED_IN, "bicubic",
         "a label map saved as JPEG; a blurred colour counts as the nearest class", SWEEPS),
    Rule("data.source.resample", FLAT_IN, "nearest",
         "a label map: smooth resizing would invent colours between the labels", FILES),
    Rule("data.source.resample", READ, "bicubic", 'smooth; "nearest" is for label maps', PAPER),
    Rule("data.source.classes", LABELS_IN, source_classes,
         "{f.source.counted}: one channel for each. remove it to learn from the colours "
         "themselves", SWEEPS),
    Rule("data.source.borders", LABELS_IN, True, "one channel more: where a class ends", SWEEPS),
    Rule("data.target.resample", LABELS_OUT, "nearest",
         "a label map: smooth resizing would invent colours between the labels", FILES),
    Rule("data.target.resample", ALWAYS, "bicubic", 'smooth; "nearest" is for label maps', PAPER),
    Rule("data.target.classes", LABELS_OUT, target_classes,
         "{f.target.counted}: a class for each, which results have alone", SWEEPS),
)

TRAIN = (
    Rule("train.batch_size", FEW, 1, "few pairs: each by itself", PAPER),
    Rule("train.batch_size", LAB, colours_batch,
         "as in the paper: with batches of one colours fade", SWEEPS),
    Rule("train.batch_size", ON_A_CPU, 1,
         "a CPU gains little from more at once, and single pairs make more steps", SWEEPS),
    Rule("train.batch_size", QUARTERED, 1, "as many as fit into memory", STEP),
    Rule("train.batch_size", HALVED, 2, "as many as fit into memory", STEP),
    Rule("train.batch_size", ALWAYS, 4, "faster than 1", SWEEPS),
    Rule("train.accumulate", QUARTERED, 4, "batches in a step, which is one of 4 pairs then", STEP),
    Rule("train.accumulate", HALVED, 2, "batches in a step, which is one of 4 pairs then", STEP),
    Rule("train.epochs", SHORT, epochs_by_hours,
         "as many as {f.hours:g} hours allow on {f.machine.name}: {f.cost.seconds:.3g} s a step",
         STEP),
    Rule("train.epochs", ALWAYS, epochs_by_pairs,
         "{f.trained_on:,} pairs to train on; about {f.shown:,} shown in all. more help little",
         PAPER),
    Rule("train.decay_from", ALWAYS, halfway,
         "from this epoch on the learning rate falls, to 0 at the end", PAPER),
    Rule("train.learning_rate", LABELS_OUT, 1e-3,
         "five times the paper's: no game to upset", SWEEPS),
    Rule("train.precision", FASTER, faster,
         "{f.machine.faster} was faster here than {f.machine.auto}, which auto would be", DOCTOR),
    Rule("train.precision", ALWAYS, "auto", "{f.machine.auto} on {f.machine.name}", DOCTOR),
    Rule("train.engine", ALWAYS, "auto", "fast: checked against plain before training", DOCTOR),
)

NETWORKS = (
    Rule("method.name", LABELS_OUT, "supervised",
         "one answer is right for every pixel: a discriminator costs time and does not help",
         SWEEPS),
    Rule("method.feature_matching", GAME, 10.0,
         "outputs and targets are compared by the features of the discriminator too", SWEEPS),
    Rule("generator.name", OF_256, "unet_256",
         "the paper's U-Net for 256 px; crop_size must be a multiple of 256", PAPER),
    Rule("generator.name", OF_128, "unet_128",
         "the paper's U-Net for 128 px; crop_size must be a multiple of 128", PAPER),
    Rule("generator.name", ALWAYS, "resnet_6",
         "for small pictures: crop_size need only be a multiple of 4", NETWORK),
    Rule("generator.width", NARROW, 32, "the paper has 64: time or memory is short", STEP),
    Rule("generator.width", NARROWER, 16, "the paper has 64: time or memory is short", STEP),
    Rule("generator.norm", LABELS_OUT, "instance",
         "each picture has its own statistics, whatever is in its batch", SWEEPS),
    Rule("generator.norm", ALWAYS, "batch", "with instance norm colours fade", SWEEPS),
    Rule("generator.upsample", FROM_PICTURES, "resize", "no checkerboard", SWEEPS),
    Rule("discriminator.name", SMALL_GAME, "patch_16",
         "judges patches of 16 px, in small pictures", NETWORK),
    Rule("discriminator.name", GAME, "patch_70", "judges patches of 70 px", PAPER),
    Rule("discriminator.width", NARROW_GAME, 32, "as the generator", STEP),
    Rule("discriminator.width", NARROWER_GAME, 16, "as the generator", STEP),
    Rule("discriminator.features", GAME, True, "for feature matching", SWEEPS),
    Rule("adversarial.name", GAME, "vanilla", "with hinge colours fade", SWEEPS),
)

LOSSES = (
    Rule("cross_entropy", LABELS_OUT, 1.0, "of the classes", SWEEPS),
    Rule("dice", LABELS_OUT, 1.0, "counts rare classes as much as frequent ones", SWEEPS),
    Rule("l1", GAME, 100.0,
         "keeps the output near the target; less is sharper, and less faithful", PAPER),
)

VALIDATE = (
    Rule("validate.every", ALWAYS, every, "so that measuring takes little of the time", CHEAP),
    Rule("validate.metrics", LABELS_OUT, ["mean_iou"], "the target is a label map", SWEEPS),
    Rule("validate.metrics", PHOTO_OUT, ["l1", "psnr", "ssim", "lab_histogram"],
         "the first chooses the best; lab_histogram tells whether colours fade", SWEEPS),
    Rule("validate.metrics", ALWAYS, ["l1", "psnr", "ssim"], "the first chooses the best", PAPER),
)
# fmt: on

RULES = (*DATA, *TRAIN, *NETWORKS, *VALIDATE)
