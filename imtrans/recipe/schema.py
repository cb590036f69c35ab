"""The tables of a recipe, typed.

A key that is not declared here is an error: a misspelt option must not train silently with its
default. Component tables keep their further keys as options; those are checked against the
component's own signature, by `imtrans.recipe.registry`. Which components there are, and which of
them belong together, is the catalog's business: nothing here knows one but as a default.
"""

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from imtrans.api.addresses import holds_secrets
from imtrans.api.errors import quoted
from imtrans.recipe import defaults
from imtrans.recipe.sizes import PixelSize, Sides, sides_of

# A distribution, its extras and its versions: `imtrans-x[gpu]>=1.2,<2`.
REQUIREMENT = re.compile(
    r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?(?:\[[\w.,-]+\])?"
    r"(?: ?(?:[=!~]=|[<>]=?)[\w.+!*]+(?:,(?:[=!~]=|[<>]=?)[\w.+!*]+)*)?",
    re.ASCII,
)
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Every = Count | Annotated[str, Field(pattern=r"^[1-9][0-9]* epochs?$")]  # steps, or "2 epochs"
# float32 has none of its own
DTYPE_RANGES: dict[str, tuple[float, float]] = {"uint8": (0, 255), "uint16": (0, 65535)}
Validation = str | Annotated[float, Field(gt=0, lt=1)]  # a split, or a share


def _is_plain(requirement: str) -> str:
    """It is shown behind `pip install`, to be copied: no path, no address, nothing for a shell."""
    if not REQUIREMENT.fullmatch(requirement):
        raise ValueError(
            f"'{requirement}' is not the name of a package, as in 'imtrans-x' or 'imtrans-x>=1.2'"
        )
    return requirement


Requirement = Annotated[str, AfterValidator(_is_plain)]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ComponentTable(Table):
    """A component by its name; every other key is an option of that component."""

    name: str

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def _short(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _usual_method(value: Any) -> Any:
    return {"name": defaults.METHOD, **value} if isinstance(value, dict) else _short(value)


Component = Annotated[ComponentTable, BeforeValidator(_short)]
MethodTable = Annotated[ComponentTable, BeforeValidator(_usual_method)]


class SideTable(Table):
    """What the pictures of one side are."""

    channels: Count = 3  # 1: grey, 3: RGB, 4: RGBA, or as many as the files have
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    range: tuple[float, float] | None = None  # what becomes -1 and 1; None: all of the dtype
    resample: Literal["bicubic", "bilinear", "nearest"] = "bicubic"  # nearest for label maps
    alpha: Literal["white", "black", "drop", "keep"] | None = None  # None: transparency is refused
    # of a label map: N, where a stored N * class + number is an instance of the class (1000 in
    # Cityscapes), or "channel", where the last channel holds the numbers
    instances: Annotated[int, Field(ge=2)] | Literal["channel"] | None = None
    classes: tuple[tuple[int, ...], ...] | None = None  # the colours of a label map, for one-hot
    borders: bool = False  # a channel more: 1 where a class or an instance borders on another

    @field_validator("range")
    @classmethod
    def _rises(
        cls, span: tuple[float, float] | None, info: ValidationInfo
    ) -> tuple[float, float] | None:
        if span is None and info.data.get("dtype") == "float32":
            raise ValueError("float32 has no range of its own: give one, as in range = [0.0, 1.0]")
        if span is not None and not span[0] < span[1]:
            raise ValueError(f"must be [low, high] with low < high, not {list(span)}")
        return span

    @field_validator("classes")
    @classmethod
    def _fit_the_channels(
        cls, colours: tuple[tuple[int, ...], ...] | None, info: ValidationInfo
    ) -> tuple[tuple[int, ...], ...] | None:
        instances, channels = info.data.get("instances"), int(info.data.get("channels") or 0)
        if colours is None:
            if instances is not None:
                raise ValueError("'instances' belongs to a label map: name its classes")
            return None
        if instances is not None and info.data.get("resample") != "nearest":
            raise ValueError('instances need resample = "nearest": between two there is no third')
        if instances == "channel":
            channels -= 1
        elif instances is not None and channels != 1:
            raise ValueError(f"instances = {instances} is of label maps with channels = 1")
        if len(colours) < 2 or any(len(colour) != channels for colour in colours):
            raise ValueError(f"needs two colours or more, each a list of {channels} numbers")
        if len(set(colours)) < len(colours):
            raise ValueError("a colour appears more than once")
        dtype = str(info.data.get("dtype"))
        low, high = DTYPE_RANGES.get(dtype, (-math.inf, math.inf))
        for colour in colours:
            if not all(low <= value <= high for value in colour):
                raise ValueError(f"{list(colour)} is not a colour of {dtype}, {low:g} to {high:g}")
        return colours

    @field_validator("borders")
    @classmethod
    def _belong_to_a_label_map(cls, borders: bool, info: ValidationInfo) -> bool:
        if borders and "classes" in info.data and info.data["classes"] is None:
            raise ValueError("borders are those of a label map: name its classes")
        return borders

    model_config = ConfigDict(validate_default=True)


class DataTable(Table):
    """Where the pairs are, and how a pair becomes a training sample."""

    root: Annotated[str, Field(min_length=1)]
    layout: Component = ComponentTable(name=defaults.LAYOUT)
    train: str = "train"  # a split: a folder, or whatever the layout makes of the word
    validation: Validation | None = None  # likewise, or a share of the training pairs, as in 0.1;
    # None: `val` or `test`, whichever is there
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    derive: Component | None = None  # layouts of targets only: what makes the source
    source: SideTable = SideTable()
    target: SideTable = SideTable()
    # square: to load_size, whatever the shape; shorter: as small as covers load_size
    resize: Literal["square", "shorter"] = "square"
    load_size: PixelSize | None = None  # px: a square's side, or [height, width]; None: crop_size
    crop_size: PixelSize = 256  # px, likewise; what the networks see
    flip: bool = True
    draft: bool = False  # large JPEGs are decoded at 1/2, 1/4 or 1/8: faster, other pixels
    max_pixels: Count = 25_000_000  # of one image; more is refused before memory is taken
    workers: Annotated[int, Field(ge=0)] | None = None  # loading processes; None: by the machine
    cache: Literal["auto"] | bool = "auto"  # keep decoded, resized pairs on disk
    cache_limit: Rate = 20.0  # GB, of all caches together

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


class TrainTable(Table):
    """How long, how fast, and how often something is written."""

    epochs: Count
    schedule: Literal["constant", "linear", "cosine", "step"] | None = None  # None: by decay_from
    decay_from: Count | None = None  # epoch after which the learning rate falls
    decay_every: Count | None = None  # epochs; of the schedule "step"
    decay_factor: Annotated[float, Field(gt=0, lt=1)] = 0.1  # likewise
    warm_up: Annotated[int, Field(ge=0)] = 0  # steps in which the learning rate rises
    batch_size: Count = 1
    accumulate: Count = 1  # batches whose gradients make one step
    learning_rate: Rate = 2e-4
    betas: tuple[Fraction, Fraction] = (0.5, 0.999)
    clip_norm: Rate | None = None  # of each phase's gradient, L2
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None  # decay of the translators' average
    init_from: str | None = None  # a run or checkpoint whose weights are the first
    deterministic: bool = False  # the same bits from the same run, on CUDA too; slower there
    sync_batch_norm: bool = False  # on several devices: statistics of all their pairs together
    engine: Literal["auto", "plain", "fast"] = "auto"  # auto: fast
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Literal["auto"] | bool = "auto"  # the networks, with torch.compile
    log_every: Count = 50  # steps
    sample_every: Every = 500
    checkpoint_every: Every = 2000  # also at the end and when interrupted
    keep_last: Count = 2  # checkpoints

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

    every: Every | Literal["auto"] = "auto"  # auto: 1000 steps or one epoch, whichever is shorter
    pairs: Count = 100  # how many of them are measured, spread evenly
    metrics: tuple[Component, ...] = tuple(ComponentTable(name=n) for n in defaults.METRICS)
    keep_best: str | Literal[False] | None = None  # the translator with the best of this metric is
    # kept; None: of the first one
    patience: Count | None = None  # validations without a better one, after which to stop

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
    reference: str = ""
    requires: tuple[Requirement, ...] = ()  # distributions that bring components this recipe names
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    data: DataTable
    method: MethodTable = ComponentTable(name=defaults.METHOD)
    generator: ComponentTable | None = None
    discriminator: ComponentTable | None = None
    adversarial: Component | None = None
    loss: tuple[LossTable, ...] = ()
    augment: tuple[ComponentTable, ...] = ()
    train: TrainTable
    # Called [validate] in a recipe, a name that pydantic keeps for itself.
    validation: Annotated[ValidateTable, Field(alias="validate")] = ValidateTable()
    logger: tuple[Component, ...] = ()

    @field_validator("loss")
    @classmethod
    def _named_once(cls, losses: tuple[LossTable, ...]) -> tuple[LossTable, ...]:
        _refuse_repetition(losses)
        return losses
