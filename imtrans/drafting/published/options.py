"""The options of one experiment, under today's names, and what is to be said of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from imtrans.drafting.published.file_sizes import FileSizes


class Refused(ValueError):
    """An option that no recipe can express, and why."""


@dataclass
class Options:
    """What a file gives, else what that code takes for it."""

    given: Mapping[str, str]
    defaults: Mapping[str, str]
    files: str  # the folder that holds the pictures now
    notes: list[str] = field(default_factory=list)

    def value(self, flag: str) -> str:
        return self.given.get(flag, self.defaults.get(flag, ""))

    def number(self, flag: str) -> float:
        """An option as a number. Raises Refused where it is none."""
        try:
            number = float(self.value(flag))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise Refused(f"--{flag} '{self.value(flag)}' is not a number")
        return number

    def whole(self, flag: str) -> int:
        """Likewise as a whole number, from 0."""
        text = self.value(flag)
        if not text.isdecimal() or len(text) > 9:
            raise Refused(f"--{flag} '{text}' is not a whole number")
        return int(text)

    def is_on(self, flag: str) -> bool:
        """Likewise of a switch."""
        value = self.value(flag)
        if value.lower() not in ("true", "false"):
            raise Refused(f"--{flag} '{value}' is neither True nor False")
        return value.lower() == "true"

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @property
    def model(self) -> str:
        return self.value("model")

    @cached_property
    def pictures(self) -> FileSizes:
        """The sizes of the files to train on."""
        halves = self.value("dataset_mode") == "aligned"
        return FileSizes(self.files, self.value("phase"), halves=halves)
