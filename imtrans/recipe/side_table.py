"""The tables [data.source] and [data.target]: what the files of one side hold."""

import math
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from imtrans.recipe.tables import Count, Table

# float32 has none of its own
DTYPE_RANGES: dict[str, tuple[float, float]] = {"uint8": (0, 255), "uint16": (0, 65535)}


class SideTable(Table):
    """What the pictures of one side are."""

    channels: Count = 3
    """1 grey, 3 RGB, 4 RGBA, or as many as the files have."""
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"
    """What the files hold; others are refused, never clipped or scaled."""
    range: tuple[float, float] | None = None
    """What becomes -1 and 1; left out: all of the dtype. float32 needs one."""
    resample: Literal["bicubic", "bilinear", "nearest"] = "bicubic"
    """The filter of every resize; `"nearest"` for label maps: it invents no colours."""
    alpha: Literal["white", "black", "drop", "keep"] | None = None
    """What becomes of transparency; left out: it is refused."""
    instances: Annotated[int, Field(ge=2)] | Literal["channel"] | None = None
    """How a label map holds instances. 1000: a value of 1000 or more is 1000 x class + number, as
    in the `instanceIds` of Cityscapes; `"channel"`: the last channel holds the numbers."""
    classes: tuple[tuple[int, ...], ...] | None = None
    """The colours of a label map, as `[[0, 0, 170], [255, 0, 0]]`: one channel each; a blurred
    colour counts as the nearest."""
    borders: bool = False
    """Of a source with `classes`: one channel more, 1 where a class or an instance borders on
    another, so that cars in a row are told apart."""

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
