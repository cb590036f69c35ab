"""Which of the processes that work on one job this one is.

torchrun starts them, on one machine or several, and tells each by environment variables:
https://docs.pytorch.org/docs/stable/elastic/run.html ("Environment Variables").
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from imtrans.api.errors import ImtransError


class Told(ImtransError):
    """What rank 0 says: this one has nothing to add."""


@dataclass(frozen=True)
class Rank:
    """A process of a job; by default the only one."""

    number: int = 0  # among all, from 0
    of: int = 1
    local: int = 0  # among those of this machine, from 0
    local_of: int = 1

    @property
    def leads(self) -> bool:
        """Whether it is the one that writes and prints."""
        return self.number == 0

    @property
    def alone(self) -> bool:
        return self.of == 1

    def __str__(self) -> str:
        return f"rank {self.number} ({socket.gethostname()}, process {os.getpid()})"


def this_rank(environment: Mapping[str, str] = os.environ) -> Rank:
    """The rank of this process, as torchrun has set it; without torchrun, the only one. Raises
    ImtransError when what is set makes no sense."""
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return Rank()
    number, of = _number(environment, "RANK"), _number(environment, "WORLD_SIZE")
    local = _number(environment, "LOCAL_RANK", number)
    local_of = _number(environment, "LOCAL_WORLD_SIZE", of)
    if not (number < of and local < local_of <= of):
        raise ImtransError(
            f"RANK = {number} of WORLD_SIZE = {of}, LOCAL_RANK = {local} of LOCAL_WORLD_SIZE = "
            f"{local_of} make no sense. start the processes with torchrun, or unset these variables"
        )
    return Rank(number, of, local, local_of)


def is_restart(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether torchrun has started this process in the place of one that failed."""
    return _number(environment, "TORCHELASTIC_RESTART_COUNT") > 0


def _number(environment: Mapping[str, str], name: str, usual: int = 0) -> int:
    text = environment.get(name, str(usual))
    if not text.isdecimal():
        raise ImtransError(
            f"the environment variable {name} is '{text}', and no number. start the processes with "
            "torchrun, or unset it"
        )
    return int(text)
