"""The tables of a recipe, typed.

A key that is not declared here is an error: a misspelt option must not train silently with its
default. Component tables keep their further keys as options; those are checked against the
component's own signature, by `imtrans.recipe.registry`. Which components there are, and which of
them belong together, is the catalog's business: nothing here knows one but as a default.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from imtrans.api.addresses import holds_secrets
from imtrans.api.errors import quoted
from imtrans.recipe import defaults
from imtrans.recipe.side_table import SideTable
from imtrans.recipe.sizes import PixelSize, Sides, sides_of
from imtrans.recipe.tables import (
    Component,
    ComponentTable,
    Count,
    Fraction,
    MethodTable,
    Rate,
    Table,
)

# A distribution, its extras and its versions: `imtrans-x[gpu]>=1.2,<2`.
REQUIREMENT = re.compile(
    r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?(?:\[[\w.,-]+\])?"
    r"(?: ?(?:[=!~]=|[<>]=?)[\w.+!*]+(?:,(?:[=!~]=|[<>]=?)[\w.+!*]+)*)?",
    re.ASCII,
)
Every = Count | Annotated[str, Field(pattern=r"^[1-9][0-9]* epochs?$")]  # steps, or "2 epochs"
Validation = str | Annotated[float, Field(gt=0, lt=1)]  # a split, or a share


def _is_plain(requirement: str) -> str:
    """It is shown behind `pip install`, to be copied: no path, no address, nothing for a shell."""
    if not REQUIREMENT.fullmatch(requirement):
        raise ValueError(
            f"'{requirement}' is not the name of a package, as in 'imtrans-x' or 'imtrans-x>=1.2'"
        )
    return requirement


Requirement = Annotated[str, AfterValidator(_is_plain)]


class DataTable(Table):
    """Where the pairs are, and how a pair becomes a training sample."""

    root: Annotated[str, Field(min_length=1)]
    """The folder of the pairs, or for shards an address that fsspec reads."""
    layout: Component = ComponentTable(name=defaults.LAYOUT)
    """How pairs are stored."""
    train: str = "train"
    """The split that is trained on: a folder, or, if it ends in `.txt`, a list of names."""
    validation: Validation | None = None
    """The split that is kept for validation, or a share of the training pairs drawn from the seed,
    as 0.1; left out: `val` or `test`, whichever is there."""
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Which half is the source; `"BtoA"` swaps source and target."""
    derive: Component | None = None
    """Of layouts of targets alone: what makes the source."""
    source: SideTable = SideTable()
    """`[data.source]`: what the files of the source hold."""
    target: SideTable = SideTable()
    """`[data.target]`: what the files of the target hold."""
    resize: Literal["square", "shorter"] = "square"
    """`"square"` brings a picture to `load_size` itself, whatever its shape, as the paper does;
    `"shorter"` keeps the shape: as small as covers `load_size`."""
    load_size: PixelSize | None = None
    """What a file is resized to, in px: the side of a square, or `[height, width]`. Left out:
    `crop_size`."""
    crop_size: PixelSize = 256
    """What is cut out of it at random, and what the networks see, in px likewise."""
    flip: bool = True
    """Mirror half of the pairs, both sides alike."""
    draft: bool = False
    """Decode a large JPEG at 1/2, 1/4 or 1/8 of its size, never below `load_size`: two to four
    times faster, slightly other pixels."""
    max_pixels: Count = 25_000_000
    """Pixels of one image; more is refused, before memory is taken for it. `imtrans translate
    --max-pixels N` raises it for a translation."""
    workers: Annotated[int, Field(ge=0)] | None = None
    """Processes that read ahead; left out: by the machine."""
    cache: Literal["auto"] | bool = "auto"
    """Keep decoded, resized pairs on disk, so that each is decoded once and not once an epoch.
    `"auto"`: from three epochs on, where they fit; `true` insists, `false` does without."""
    cache_limit: Rate = 20.0
    """How many GB all caches together may take; those not used for longest make room."""

    @field_validator("root")
    @classmethod
    def _holds_no_secret(cls, root: str) -> str:
        if holds_secrets(root):
            raise ValueError(
                "an address with a user, a password or a query ('?...') is not taken: runs and "
                "checkpoints keep the recipe. give credentials by the environment, as AWS_PROFILE, "
                "or in ~/.netrc"
            )
        return root

    @field_validator("target")
    @classmethod
    def _has_no_borders(cls, target: SideTable) -> SideTable:
        if target.borders or target.instances == "channel":
            key = "borders" if target.borders else 'instances = "channel"'
            raise ValueError(f"{key} is for data.source: a result has classes alone")
        return target

    @field_validator("crop_size")
    @classmethod
    def _fits_into_load_size(cls, crop: int | Sides, info: ValidationInfo) -> int | Sides:
        load = info.data.get("load_size")
        if load is not None and any(
            one > other for one, other in zip(sides_of(crop), sides_of(load), strict=True)
        ):
            raise ValueError(f"{_listed(crop)} is larger than load_size, which is {_listed(load)}")
        return crop

    @field_validator("derive")
    @classmethod
    def _has_one_direction(
        cls, derive: ComponentTable | None, info: ValidationInfo
    ) -> ComponentTable | None:
        if derive and info.data.get("direction") == "BtoA":
            raise ValueError("a derived source has one direction; leave 'direction' out")
        return derive

    @property
    def crop(self) -> Sides:
        """Height and width of what the networks see (px)."""
        return sides_of(self.crop_size)

    @property
    def load(self) -> Sides:
        """Height and width that pairs are brought to, as `resize` understands it (px)."""
        return sides_of(self.load_size or self.crop_size)

    model_config = ConfigDict(validate_default=True)


def _listed(size: int | Sides) -> str:
    return str(size if isinstance(size, int) else [*size])


def _refuse_repetition(tables: Iterable[ComponentTable]) -> None:
    names = [table.name for table in tables]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{quoted(sorted(twice))} appears more than once")


class LossTable(ComponentTable):
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Of this loss beside the others: lambda in the paper."""


class TrainTable(Table):
    """How long, how fast, and how often something is written."""

    epochs: Count
    """Passes over the data."""
    schedule: Literal["constant", "linear", "cosine", "step"] | None = None
    """Of the learning rate; left out: `"linear"` where `decay_from` is given, else `"constant"`."""
    decay_from: Count | None = None
    """Epoch after which the learning rate falls, towards 0 in the last epoch (`linear`,
    `cosine`)."""
    decay_every: Count | None = None
    """Of the schedule `"step"`: after how many epochs the rate falls."""
    decay_factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Of the schedule `"step"`: by which factor."""
    warm_up: Annotated[int, Field(ge=0)] = 0
    """Steps in which the learning rate rises to its value."""
    batch_size: Count = 1
    """Pairs of a step; on several devices, of each."""
    accumulate: Count = 1
    """Batches whose gradients make one step: a large batch in little memory."""
    learning_rate: Rate = 2e-4
    """Adam's, for all networks."""
    betas: tuple[Fraction, Fraction] = (0.5, 0.999)
    """The decays of Adam's two averages."""
    clip_norm: Rate | None = None
    """Bound of the L2 norm of the gradient of each phase (in pix2pix: of each network)."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of a moving average of the generator, as 0.999; the average is what translates."""
    init_from: str | None = None
    """A run or checkpoint whose weights are the first: fine-tuning; what does not fit is named."""
    deterministic: bool = False
    """The same bits from the same run, on CUDA too, where it is slower (the CPU always is)."""
    sync_batch_norm: bool = False
    """On several devices: batch norm takes the statistics of all their images together."""
    engine: Literal["auto", "plain", "fast"] = "auto"
    """`"auto"` is `"fast"`; `"plain"` is the fp32 reference step, bit-identical to the published
    code."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the fast engine; `"auto"`: bf16 where the device is good at it, else fp32."""
    compile: Literal["auto"] | bool = "auto"
    """The networks with torch.compile; `"auto"`: where it pays."""
    log_every: Count = 50
    """Steps between two lines of metrics.jsonl."""
    sample_every: Every = 500
    """Steps, or epochs, between two previews in `samples/`."""
    checkpoint_every: Every = 2000
    """Likewise between two checkpoints; also at the end and when interrupted."""
    keep_last: Count = 2
    """Checkpoints that are kept."""

    @field_validator("decay_every")
    @classmethod
    def _belongs_to_step(cls, every: int | None, info: ValidationInfo) -> int | None:
        schedule = info.data.get("schedule")
        if schedule == "step" and every is None:
            raise ValueError('the schedule "step" needs it: a number of epochs')
        if schedule != "step" and every is not None:
            raise ValueError('it belongs to schedule = "step"')
        return every

    @field_validator("decay_from")
    @classmethod
    def _within_the_epochs(cls, start: int | None, info: ValidationInfo) -> int | None:
        epochs = info.data.get("epochs")
        if start is not None and epochs is not None and start > epochs:
            raise ValueError(
                f"{start} is after the last epoch, which is {epochs}; lower it too, as in "
                f"--set train.decay_from={max(epochs // 2, 1)}"
            )
        if start is not None and info.data.get("schedule") == "constant":
            raise ValueError('it has no effect with schedule = "constant"; remove it')
        return start

    model_config = ConfigDict(validate_default=True)


class ValidateTable(Table):
    """What is measured on the validation pairs, and what follows from it."""

    every: Every | Literal["auto"] = "auto"
    """Steps, or epochs, between two validations; `"auto"`: 1000 steps or one epoch, whichever is
    shorter."""
    pairs: Count = 100
    """How many are measured, spread evenly."""
    metrics: tuple[Component, ...] = tuple(ComponentTable(name=n) for n in defaults.METRICS)
    """Names, or tables with options; plugins bring more."""
    keep_best: str | Literal[False] | None = None
    """The metric whose best generator is kept, or `false`; left out: the first metric."""
    patience: Count | None = None
    """Validations without a better one after which training stops."""

    @field_validator("metrics")
    @classmethod
    def _named_once(cls, metrics: tuple[ComponentTable, ...]) -> tuple[ComponentTable, ...]:
        _refuse_repetition(metrics)
        return metrics

    @field_validator("keep_best")
    @classmethod
    def _is_measured(cls, metric: str | bool | None, info: ValidationInfo) -> str | bool | None:
        names = _names_of_metrics(info)
        if metric and names is not None and metric not in names:
            known = quoted(names) or "there are none"
            raise ValueError(f"'{metric}' is not one of the metrics: {known}, or false")
        return metric

    @field_validator("patience")
    @classmethod
    def _has_a_metric(cls, patience: int | None, info: ValidationInfo) -> int | None:
        names = _names_of_metrics(info)
        if patience is None or names is None:
            return patience
        if not names:
            raise ValueError("patience needs a metric, and metrics is empty")
        if info.data.get("keep_best") is False:
            raise ValueError(f"patience needs a metric: set keep_best to one of {quoted(names)}")
        return patience

    @property
    def best_metric(self) -> str | None:
        """The metric that decides which is best, if one does."""
        if self.keep_best is None:
            return self.metrics[0].name if self.metrics else None
        return self.keep_best or None

    model_config = ConfigDict(validate_default=True)


def _names_of_metrics(info: ValidationInfo) -> list[str] | None:
    """None where the metrics themselves are wrong, which is reported."""
    return [table.name for table in info.data["metrics"]] if "metrics" in info.data else None


class Recipe(Table):
    """One task, whole: data, method with its networks and losses, training and validation.

    Which of the tables `generator`, `discriminator`, `adversarial` and `loss` there are is for the
    method to say.
    """

    title: str = ""
    """For people: the head of reports and cards."""
    reference: str = ""
    """Where the task or its settings come from."""
    requires: tuple[Requirement, ...] = ()
    """Distributions that bring components which this recipe names, as `"imtrans-bridge"`."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Decides the first weights, the order of the pairs and every random draw."""
    data: DataTable
    """Where the pairs are, and how a pair becomes a training sample."""
    method: MethodTable = ComponentTable(name=defaults.METHOD)
    """How networks are trained against each other."""
    generator: ComponentTable | None = None
    """The network that makes the output; whether there is one is for the method to say, as of the
    next three."""
    discriminator: ComponentTable | None = None
    """The network that it is trained against."""
    adversarial: Component | None = None
    """The rules of their game."""
    loss: tuple[LossTable, ...] = ()
    """`[[loss]]`: terms between output and target, each with its `weight` (1.0)."""
    augment: tuple[ComponentTable, ...] = ()
    """`[[augment]]`: applied in order, after resize, crop and flip."""
    train: TrainTable
    """How long, how fast, and how often something is written."""
    # Called [validate] in a recipe, a name that pydantic keeps for itself.
    validation: Annotated[ValidateTable, Field(alias="validate")] = ValidateTable()
    """What is measured on the validation pairs, and what follows from it."""
    logger: tuple[Component, ...] = ()
    """`[[logger]]`: where numbers go, beside the files of the run."""

    @field_validator("loss")
    @classmethod
    def _named_once(cls, losses: tuple[LossTable, ...]) -> tuple[LossTable, ...]:
        _refuse_repetition(losses)
        return losses
