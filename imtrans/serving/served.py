"""A run that is served: its translator, what goes in and what comes out, one call at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.api.pictures import Picture
from imtrans.api.samplers import nfe_of, set_nfe
from imtrans.data.encoding import Given
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.encode import KEPT, encode
from imtrans.data.pixels.formats.stored import NAMES
from imtrans.recipe.schema import Recipe
from imtrans.serving.storage import Storage, kept_name
from imtrans.translation.translator import Translator

MOST_NFE = 1000  # evaluations for an output: more would keep all others waiting
LAST_SEED = 2**32 - 1

# A device computes for one request at a time: two at once would need the memory of both.
_devices: dict[str, threading.Lock] = {}


@dataclass(frozen=True)
class Draw:
    """How an output is drawn, where anything is drawn. Raises ImtransError for no such seed."""

    seed: int | None = None  # with which dropout is on, too; None: 0, and dropout is off
    nfe: int | None = None  # network evaluations; None: those of the recipe

    def __post_init__(self) -> None:
        if self.seed is not None and not 0 <= self.seed <= LAST_SEED:
            raise ImtransError(f"seed {self.seed}: a seed is a whole number, 0 ... {LAST_SEED}")
        if self.nfe is not None and not 1 <= self.nfe <= MOST_NFE:
            raise ImtransError(f"nfe {self.nfe}: it is a whole number, 1 ... {MOST_NFE}")


@dataclass(frozen=True)
class Output:
    """What a picture became. `output` (1, C, H, W) is what the network made, at the picture's size;
    `remarks` say how the picture is unlike all that training saw."""

    given: Given
    output: Tensor
    remarks: tuple[str, ...]


class Served:
    """A translator with the name and the title of its run."""

    def __init__(self, name: str, recipe: Recipe, translator: Translator) -> None:
        self.name, self.recipe, self.file = name, recipe, translator.file
        self.title = recipe.title or name
        self._plain, self._dropping = translator, translator.with_dropout()
        self.encoding = translator.encoding
        self.nfe = nfe_of(translator.module)
        self._alone = _devices.setdefault(str(translator.device), threading.Lock())

    @property
    def folder(self) -> Path:
        """The run's; of a checkpoint alone, its own."""
        assert self.file is not None  # it was loaded from one
        above = self.file.parent.parent
        return above.parent if above.name == "checkpoints" else self.file.parent

    @property
    def samples(self) -> bool:
        """Whether another seed gives another output."""
        return self._plain.samples or self._dropping.samples

    @property
    def has_dropout(self) -> bool:
        return self._dropping is not self._plain

    @property
    def size(self) -> tuple[int, int]:
        """Of the pictures that training saw: height and width, px."""
        return self.recipe.data.crop

    @property
    def is_eight_bit(self) -> bool:
        """Whether a browser can show, and send, what this run takes."""
        expected = self.encoding.expected
        return expected.dtype == "uint8" and expected.channels in (None, 1, 3)

    @property
    def takes(self) -> str:
        """What goes in, in words."""
        expected = self.encoding.expected
        colour = {1: "grey", 3: "RGB", None: "grey or RGB"}.get(
            expected.channels, f"{expected.channels} channels"
        )
        return f"{NAMES[expected.dtype]} {colour}"

    @property
    def makes(self) -> str:
        """What comes out, in words."""
        channels = self.encoding.result_channels
        colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
        return f"{NAMES[self.encoding.result_dtype]} {colour}"

    @property
    def facts(self) -> dict[str, object]:
        """All of it, as JSON has it."""
        return {
            "run": self.name,
            "title": self.title,
            "source": self.takes,
            "output": self.makes,
            "size": list(self.size),
            "samples": self.samples,
            "dropout": self.has_dropout,
            "nfe": self.nfe,
        }

    def translated(self, picture: Picture, drawn: Draw) -> Output:
        """The output for a picture. Raises ImtransError where it cannot be read or made."""
        translator = self._translator(drawn)
        given = translator.given(picture)
        remarks = tuple(remark.text for remark in translator.remarks(given))
        source = given.source.to(translator.device)
        with self._alone, self._evaluations(translator, drawn.nfe):
            try:
                output = translator.output(source, drawn.seed)
                output = self.encoding.resized(output, *given.size)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                raise ImtransError(f"{picture}: not enough memory; send a smaller one") from error
        return Output(given, output, remarks)

    def written(self, made: Output, path: str, storage: Storage) -> Path:
        """The output as a file that holds it losslessly, named after the file at `path`."""
        dtype, channels = self.encoding.result_dtype, self.encoding.result_channels
        place = storage.place(kept_name(path, KEPT.suffix_for(".png", channels, dtype)))
        composed = made.given.composed_with.to(made.output.device)
        try:
            encode(self.encoding.result(made.output, composed), place, dtype)
        except ImtransError as error:  # no path of this machine reaches a client
            raise ImtransError(str(error).replace(str(place), place.name)) from error
        return place

    def seen_source(self, picture: Picture) -> Tensor:
        """A source, at its own size, as a person can look at it: uint8 (3, H, W)."""
        pixels = decode(picture, self.encoding.expected)
        return self.encoding.show_source(self.encoding.seen(pixels))

    def seen(self, made: Output) -> Tensor:
        """An output as a person can look at it: uint8 (3, H, W)."""
        composed = made.given.composed_with.to(made.output.device)
        return self.encoding.show_target(made.output, composed).cpu()

    def _translator(self, drawn: Draw) -> Translator:
        return self._plain if drawn.seed is None else self._dropping

    @contextmanager
    def _evaluations(self, translator: Translator, nfe: int | None) -> Iterator[None]:
        """Another number of network evaluations within."""
        if nfe is None or self.nfe is None:
            yield
            return
        set_nfe(translator.module, nfe, self.name)
        try:
            yield
        finally:
            set_nfe(translator.module, self.nfe, self.name)
