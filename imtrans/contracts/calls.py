"""A call of a component, and what holds for every one: nothing that it was given is changed, the
same seed gives the same result, and all numbers are finite."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.randomness import Drawn, seeded

T = TypeVar("T")

AGAIN = "draw with torch alone (`torch.rand`, `nn.Dropout`), which imtrans seeds"


def keeping(subject: object, call: Callable[[], T], given: Mapping[str, Tensor]) -> T:
    """The result of a call. Raises BrokenContract if it changed one of these tensors."""
    before = {name: tensor.detach().clone() for name, tensor in given.items()}
    result = call()
    for name, tensor in given.items():
        if not torch.equal(tensor, before[name]):
            raise BrokenContract(
                subject,
                f"it changed its input '{name}' in place",
                "what a component is given is used by others too, and stays as it is",
                f"work on a copy, `{name}.clone()`, and look for operations in place: "
                f"`inplace=True`, names with a trailing underscore, `+=`, `{name}[...] = `",
            )
    return result


def repeated(
    subject: object,
    call: Callable[[], T],
    remedy: str = AGAIN,
    *,
    what: str = "it gave two results",
    seeds: tuple[int, int] = (0, 0),
) -> T:
    """The result of a call that is made twice at the same seed. Raises BrokenContract if the
    second is another. With two seeds: of what may not depend on torch's seed at all."""
    with seeded(seeds[0]) as drawn:
        first = call()
    with seeded(seeds[1]):
        second = call()
    if not alike(first, second):
        raise BrokenContract(
            subject,
            f"{what} for the same input and seed; it draws from {_blamed(drawn, seeds)}",
            "the same seed gives the same result, so that a training can be repeated and continued",
            remedy,
        )
    return first


def _blamed(drawn: Drawn, seeds: tuple[int, int]) -> Drawn:
    """Torch's generator was seeded for both calls, and is no reason, unless by two seeds."""
    own = seeds[0] == seeds[1]
    return Drawn([s for s in drawn.sources if not (own and s.startswith("torch"))])


def alike(first: object, second: object) -> bool:
    """Whether two results have equal tensors; NaN equals NaN."""
    ones, others = list(tensors(first)), list(tensors(second))
    return len(ones) == len(others) and all(
        a.shape == b.shape and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))
        for a, b in zip(ones, others, strict=True)
    )


def tensors(result: object) -> Iterator[Tensor]:
    """Every tensor in nested tuples, lists and dicts; numbers count as tensors."""
    if isinstance(result, Tensor):
        yield result.detach()
    elif isinstance(result, int | float):
        yield torch.tensor(float(result))
    elif isinstance(result, Mapping):
        for value in result.values():
            yield from tensors(value)
    elif isinstance(result, tuple | list):
        for value in result:
            yield from tensors(value)


def all_finite(result: object) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors(result))
