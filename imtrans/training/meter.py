"""What is measured between two log lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import torch
from torch import Tensor

from imtrans.api.listener import Reading
from imtrans.host.group import Group, alone


class NotFinite(Exception):
    """A loss became infinite or not a number, `ago` steps before the last."""

    def __init__(self, name: str, value: float, ago: int) -> None:
        super().__init__(f"the loss '{name}' became {value}")
        self.name, self.value, self.ago = name, value, ago


class Meter:
    """Gathers losses, which stay on the device until they are read, and time."""

    def __init__(self, group: Group | None = None) -> None:
        self._group = group or alone()
        self._start_over()

    @property
    def steps(self) -> int:
        """How many steps are unread."""
        return sum(next(iter(losses.values())).numel() for losses in self._losses)

    def count(self, losses: dict[str, Tensor], images: int) -> None:
        """Steps are done, on so many images: one with scalars, or several with rows of them."""
        self._losses.append(losses)
        self._images += images

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time in here counts as waiting for data."""
        start = monotonic()
        yield
        self._waited += monotonic() - start

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """Time in here is neither training nor waiting: something is written or measured."""
        start = monotonic()
        yield
        self._since += monotonic() - start

    def read(self, learning_rate: float) -> Reading:
        """Fetch the losses from the device, once for all steps since the last time: means over
        steps and ranks. Raises NotFinite when one is none."""
        names = list(self._losses[0])
        columns = [torch.cat([row[name].reshape(-1) for row in self._losses]) for name in names]
        rows = torch.stack(columns, dim=1).cpu()
        self._group.average(rows)
        if not bool(torch.isfinite(rows).all()):
            step, name = (int(n) for n in (~torch.isfinite(rows)).nonzero()[0])
            raise NotFinite(names[name], float(rows[step, name]), len(rows) - 1 - step)
        losses = dict(zip(names, rows.mean(dim=0).tolist(), strict=True))
        seconds = max(monotonic() - self._since, 1e-9)
        reading = Reading(
            losses,
            learning_rate,
            images_per_second=self._images / seconds,
            steps_per_second=len(rows) / seconds,
            waiting=self._waited / seconds,
        )
        self._start_over()
        return reading

    def _start_over(self) -> None:
        self._losses: list[dict[str, Tensor]] = []
        self._images = 0
        self._waited = 0.0
        self._since = monotonic()
