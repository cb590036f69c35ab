"""What is killed and started again: trainings that are over in a moment, of every kind."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drawn import draw_picture, write_pairs

RECIPE = """
[data]
root = "{root}"
load_size = 36
crop_size = 32
flip = true

[[augment]]
name = "rot90"

[[augment]]
name = "noise"

[generator]
name = "resnet_1"
width = 2

[discriminator]
name = "patch_16"
width = 2

[adversarial]
name = "vanilla"

[[loss]]
name = "l1"
weight = 100.0

[train]
epochs = 2
precision = "fp32"
log_every = 2
checkpoint_every = 3
sample_every = 5

[validate]
every = 2
pairs = 1
"""
# Two generators, two discriminators, pools of images; nothing is paired.
UNPAIRED = """
requires = ["imtrans-cyclegan"]

[data]
root = "{root}"
layout = "unpaired"
load_size = 36
crop_size = 32

[method]
name = "cyclegan"
pool_size = 3

[generator]
name = "resnet_1"
width = 2
norm = "instance"
dropout = 0.0

[discriminator]
name = "patch_16"
width = 2
norm = "instance"

[adversarial]
name = "lsgan"

[train]
epochs = 2
precision = "fp32"
log_every = 2
checkpoint_every = 3
sample_every = 5
"""


def register_small() -> None:
    """Have this process know `resnet_1`, a ResNet of one block: most of the time of a tiny training
    goes into calling layers."""
    from imtrans.components.generators.resnet import ResNet
    from imtrans.recipe.catalog import catalog

    generators = catalog().generators
    if "resnet_1" not in generators:
        generators.register("resnet_1", partial(ResNet, blocks=1), generators["resnet_6"].plugin)


def write_side_by_side(folder: Path) -> None:
    """Six pairs to train on, and two for validation."""
    write_pairs(folder / "train", 6)
    write_pairs(folder / "val", 2)


def write_unpaired(folder: Path) -> None:
    """Images of two sides, of different number."""
    for name, count in (("trainA", 6), ("trainB", 5), ("testA", 2), ("testB", 2)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture = draw_picture(number, (48, 40))
            picture.rotate(90 * name.endswith("B")).save(folder / name / f"{number}.png")


@dataclass(frozen=True)
class Start:
    """A command of imtrans that writes below `place`, and there a run into `run`."""

    arguments: list[str]
    place: Path

    @property
    def run(self) -> Path:
        return self.place / "run"


@dataclass(frozen=True)
class Cell:
    """What is started, killed, and started again: a recipe, its data, its settings.

    Another command than `train` overrides `arguments`.
    """

    settings: tuple[str, ...] = ()
    recipe: str = RECIPE  # with {root} for the folder of the data
    write_data: Callable[[Path], None] = write_side_by_side

    def prepare(self, folder: Path) -> None:
        """Write the data and the recipe."""
        self.write_data(folder / "data")
        root = (folder / "data").as_posix()
        (folder / "recipe.toml").write_text(self.recipe.format(root=root))

    def start(self, folder: Path, place: Path, *settings: str) -> Start:
        """The command, given the folder that was prepared."""
        words = [word for one in (*self.settings, *settings) for word in ("--set", one)]
        arguments = ["train", str(folder / "recipe.toml"), "--run-dir", str(place / "run")]
        return Start([*arguments, "--device", "cpu", *words], place)


# Both engines, with and without loading processes, an average, a cache, another method.
CELLS = {
    "plain, 0 workers": Cell(("train.engine=plain", "data.workers=0")),
    "plain, 2 workers, ema": Cell(("train.engine=plain", "data.workers=2", "train.ema=0.9")),
    "fast, 0 workers, ema, cache": Cell(
        ("train.engine=fast", "data.workers=0", "train.ema=0.9", "data.cache=true")
    ),
    "fast, 2 workers": Cell(("train.engine=fast", "data.workers=2")),
    "cyclegan, plain, 0 workers": Cell(
        ("train.engine=plain", "data.workers=0"), UNPAIRED, write_unpaired
    ),
}
