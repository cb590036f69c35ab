"""What of a job this process does: the share that `--shard` names, and this rank's part of it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imtrans.cli.common import console, installed, progress
from imtrans.host.meeting import Meeting
from imtrans.host.ranks import this_rank
from imtrans.host.share import Share, share_of

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.recipe.catalog import Catalog

ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only share I of N, as 3/8: machines, or the tasks of a job array, work on one folder "
        "together. The ranks of torchrun share without it.",
    ),
]


class Sharing:
    """This process among those that share a job: by default the only one."""

    def __init__(self, shard: str | None = None) -> None:
        """Raises ImtransError when `shard` names no share, or the ranks make no sense."""
        self.rank = this_rank()
        self.share = (share_of(shard) if shard is not None else Share()).among(self.rank)
        self.meeting = Meeting(self.rank)

    @property
    def leads(self) -> bool:
        """Whether it prints: alone, or as rank 0."""
        return self.rank.leads

    def device(self, named: str | None) -> str | None:
        """The device of this rank: a GPU of its own, unless one is named."""
        from imtrans.host.devices import device_of_rank

        return device_of_rank(named, self.rank)

    def console(self) -> "Console":
        """Where it prints; nothing of other ranks than the first is seen."""
        from imtrans.host.terminal import Terminal

        return console() if self.leads else Terminal(quiet=True, force_terminal=False)

    def installed(self) -> "Catalog":
        from imtrans.recipe.catalog import catalog

        return installed() if self.leads else catalog()

    def progress(
        self, out: "Console", doing: str, total: int
    ) -> AbstractContextManager[Callable[[], None]]:
        """A progress bar over this process's items."""
        if not self.leads:
            return nullcontext(lambda: None)
        if not self.share.is_all:
            doing = f"{doing} (rank 0)" if self.share.ranks > 1 else f"{doing} (share {self.share})"
        return progress(out, doing, total)

    def gathered(self, said: Any) -> list[Any] | None:
        return self.meeting.gathered(said)
