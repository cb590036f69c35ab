"""Which part of a list of images is this process's, where several work on one folder.

Every process reads the same list and takes its own images of it, without asking the others: shares
are of the list of inputs, so that none moves when others finish.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from imtrans.api.errors import ImtransError
from imtrans.host.ranks import Rank

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """One of several equal parts of a list; by default all of it."""

    number: int = 1  # from 1, as job arrays are numbered
    of: int = 1
    ranks: int = field(default=1, compare=False)  # that divide each named share among themselves

    @property
    def is_all(self) -> bool:
        return self.of == 1

    def picked(self, items: Sequence[T]) -> list[T]:
        """Its items: every `of`-th, so that neighbours, which are often of one size or one subject,
        are spread over all shares."""
        return [items[index] for index in range(self.number - 1, len(items), self.of)]

    def among(self, rank: Rank) -> "Share":
        """What this rank has of it, where torchrun's processes divide a share among themselves."""
        number = (self.number - 1) * rank.of + rank.number + 1
        return Share(number, self.of * rank.of, self.ranks * rank.of)

    @property
    def named(self) -> "Share":
        """The share that whoever started it has named, of which this may be one rank's part."""
        return Share((self.number - 1) // self.ranks + 1, self.of // self.ranks)

    def all(self) -> list["Share"]:
        return [replace(self, number=number) for number in range(1, self.of + 1)]

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def share_of(text: str) -> Share:
    """The share that a text as `3/8` names. Raises ImtransError for any other text."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
    if not found:
        raise ImtransError(
            f"--shard '{text}' is no share; write its number and how many there are, as --shard 3/8"
        )
    number, of = map(int, found.groups())
    if of < 1:
        raise ImtransError(f"--shard {text}: there is one share or more, as in --shard 1/8")
    if number < 1:
        raise ImtransError(
            f"--shard {text}: shares are numbered from 1, as in --shard 1/{of}; a job array too "
            f"(sbatch --array=1-{of})"
        )
    if number > of:
        raise ImtransError(
            f"--shard {text}: of {of} there is no share {number}; the last one is --shard {of}/{of}"
        )
    return Share(number, of)
