"""m9: a batch cut out of a data set that is kept on the device, and encoded."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from pairs import recipe_of
from timing import spreads, timer_of
from torch import Tensor
from work import Work

from imtrans.data.encoding import Encoding
from imtrans.recipe.catalog import catalog
from imtrans.task import Task

PAIRS = 400


def cutting(work: Work) -> list[dict[str, Any]]:
    """As separate operations, compiled, and with a table of what each of 256 values becomes: us."""
    recipe = recipe_of(work)
    encoding = Task(recipe, catalog()).encoding
    load, crop = recipe.data.load[0], recipe.data.crop[0]
    pairs = torch.randint(
        256, (4 if work.smoke else PAIRS, 6, load, load), dtype=torch.uint8, device=work.device
    )
    place = torch.tensor([[1, 3, 2, 1]], device=work.device)  # index, left, top, mirrored
    at = torch.arange(crop, device=work.device)
    values = torch.arange(256, device=work.device, dtype=torch.float32) / 255 * 2 - 1
    cut = partial(_encoded, encoding, pairs, place, at)
    looked_up = partial(_looked_up, values.bfloat16(), pairs, place, at)
    ways: dict[str, Callable[[], object]] = {"separate operations": cut, "table": looked_up}
    if not work.smoke:
        ways["compiled"] = partial(torch.compile(_encoded), encoding, pairs, place, at)
        ways["table, compiled"] = partial(
            torch.compile(_looked_up), values.bfloat16(), pairs, place, at
        )
    return [{"way": name, "us": us} for name, us in spreads(timer_of(work), ways).items()]


def _cut(pairs: Tensor, place: Tensor, at: Tensor) -> Tensor:
    index, left, top, mirrored = place.unbind(1)
    columns = torch.where(mirrored[:, None] > 0, at.flip(0), at) + left[:, None]
    rows = at + top[:, None]
    found = pairs[index[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return found.permute(0, 3, 1, 2)


def _encoded(encoding: Encoding, pairs: Tensor, place: Tensor, at: Tensor) -> object:
    source, target = _cut(pairs, place, at).split(3, dim=1)
    return encoding.encode(source, target)


def _looked_up(values: Tensor, pairs: Tensor, place: Tensor, at: Tensor) -> object:
    return values[_cut(pairs, place, at).int()].split(3, dim=1)
