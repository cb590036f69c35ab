"""Items of equal sizes together, out of a stream of which few are held."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
PIXELS = 2**22  # that wait for others of their size, at most
WINDOW = 64  # items: none waits for longer than that
PASSING = 2**24  # pixels of others that may come while one waits: a caller may have to hold them


def grouped(
    items: Iterable[T],
    key: Callable[[T], K],
    most: Callable[[K], int],
    pixels: Callable[[T], int],
) -> Iterator[list[T]]:
    """Items of equal keys together, up to `most` of a key, in an order that depends on keys and
    `pixels` alone."""
    waiting: dict[K, list[T]] = {}
    since: dict[K, tuple[int, int]] = {}  # of the first item: how many came before it, and pixels
    held = came = 0

    def take(one: K) -> list[T]:
        nonlocal held
        since.pop(one)
        group = waiting.pop(one)
        held -= sum(map(pixels, group))
        return group

    for number, item in enumerate(items):
        its = key(item)
        waiting.setdefault(its, []).append(item)
        since.setdefault(its, (number, came))
        held += pixels(item)
        came += pixels(item)
        if len(waiting[its]) >= most(its):
            yield take(its)
        elif held > PIXELS:
            yield take(max(waiting, key=lambda one: sum(map(pixels, waiting[one]))))
        while since and _is_over(since[oldest := next(iter(since))], number, came):
            yield take(oldest)
    yield from waiting.values()


def _is_over(since: tuple[int, int], number: int, came: int) -> bool:
    return number - since[0] >= WINDOW or came - since[1] > PASSING
