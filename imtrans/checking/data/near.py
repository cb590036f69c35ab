"""Pairs that look the same on both sides, without comparing every pair with every other one.

Each side is judged by a thumbnail without its mean, so that brightness does not count. On real sets
a picture that was saved again as JPEG, halved or brightened differs from itself by 0.01 ... 0.15
of its contrast, and from its nearest neighbour by 0.2 ... 0.9. That both sides must be near keeps
drawings and flat labels, which are all alike when so small, from being accused.

Candidates come from locality-sensitive hashing with random hyperplanes (Charikar, "Similarity
estimation techniques from rounding algorithms", STOC 2002): pictures on the same side of all
planes of a table are compared. The planes lie in the space of principal components, brought to
one variance, so that the buckets are of like size.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from imtrans.checking.data.facts import THUMB
from imtrans.checking.data.look import Look

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

NEAR = 0.1  # of a side's contrast may two thumbnails differ (root mean square),
ROUNDING = 1.0  # and by so many levels more: JPEG, and a drawing's little contrast
BRIGHTNESS = 16.0  # levels between their means
FLAT = 4.0  # levels of contrast: below, a side shows nothing to tell it by
FEW = 2000  # pairs that are all compared
DIMENSIONS = 32
TABLES = 8
BUCKET = 64  # neighbours within a bucket that are compared, however many it holds
SAMPLE = 4096  # pairs of which the principal components are taken
CHUNK = 65536


def near(looks: Sequence[Look]) -> list[tuple[int, int, float]]:
    """(place, later place, difference) of pairs that look alike, but are not equal.

    Every later place stands there once, with the first that it is like. The difference is a share
    of the contrast.
    """
    places = _distinct(looks)
    if len(places) < 2:
        return []
    thumbs = np.stack([_thumbs(looks[place]) for place in places])
    found: dict[int, tuple[int, float]] = {}
    for one, other in _candidates(thumbs):
        difference = _differences(thumbs, one, other)
        alike = np.flatnonzero(np.isfinite(difference))
        for i, j, off in zip(one[alike], other[alike], difference[alike], strict=True):
            first, second = sorted((places[i], places[j]))
            if second not in found or first < found[second][0]:
                found[second] = (first, float(off))
    return sorted((first, second, off) for second, (first, off) in found.items())


def _distinct(looks: Sequence[Look]) -> list[int]:
    """One place for all equal pairs."""
    seen: dict[tuple[bytes, ...], int] = {}
    for place, look in enumerate(looks):
        digests = tuple(side.facts.digest for side in look.sides if side.facts)
        if len(digests) == len(look.sides):
            seen.setdefault(digests, place)
    return list(seen.values())


def _thumbs(look: Look) -> NDArray[np.uint8]:
    """(sides, 3, THUMB * THUMB)"""
    content = b"".join(side.facts.thumb for side in look.sides if side.facts)
    return np.frombuffer(content, np.uint8).reshape(-1, 3, THUMB * THUMB)


def _differences(thumbs: NDArray[np.uint8], one: Places, other: Places) -> Floats:
    """Of each candidate, as a share of its contrast; infinite unless both sides are near."""
    first, second = thumbs[one].astype(np.float32), thumbs[other].astype(np.float32)
    brightness = np.abs(first.mean(3) - second.mean(3)).max((1, 2))
    first, second = _centred(first), _centred(second)
    contrast = (_rms(first) + _rms(second)) / 2  # (candidates, sides)
    off = _rms(first - second)
    alike = (off <= NEAR * contrast + ROUNDING).all(1) & (brightness <= BRIGHTNESS)
    told = contrast.max(1)
    share = off.max(1) / np.maximum(told, FLAT)
    return np.where(alike & (told >= FLAT), share, np.float32(np.inf))


def _centred(thumbs: Floats) -> Floats:
    return thumbs - thumbs.mean(3, keepdims=True)


def _rms(thumbs: Floats) -> Floats:
    root: Floats = np.sqrt((thumbs**2).mean((2, 3)))
    return root


def _candidates(thumbs: NDArray[np.uint8]) -> Iterator[tuple[Places, Places]]:
    """Places of thumbnails that may be alike, in chunks."""
    count = len(thumbs)
    if count <= FEW:
        yield from _chunks(_within(_normalised(thumbs)))
        return
    projected = _whitened(thumbs)
    draw = np.random.default_rng(0)
    bits = int(np.log2(count))
    for _ in range(TABLES):
        sides = projected @ draw.standard_normal((projected.shape[1], bits)).astype(np.float32)
        keys = (sides > np.median(sides, axis=0)) @ (1 << np.arange(bits))
        yield from _chunks(_neighbours(keys))


def _within(normalised: Floats) -> tuple[Places, Places]:
    """All pairs of places that are not farther apart than near ones can be."""
    farthest = (NEAR + ROUNDING / FLAT) ** 2 * normalised.shape[1]
    squares = (normalised**2).sum(1)
    distances = squares[:, None] + squares[None] - 2 * normalised @ normalised.T
    one, other = np.nonzero(np.triu(distances <= 1.5 * farthest, 1))
    return one, other


def _neighbours(keys: Places) -> tuple[Places, Places]:
    """Places with equal keys, up to BUCKET apart among those of their key."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    ones, others = [order[:0]], [order[:0]]
    for apart in range(1, min(BUCKET, len(keys))):
        same = ranked[apart:] == ranked[:-apart]
        if not same.any():
            break
        ones.append(order[:-apart][same])
        others.append(order[apart:][same])
    return np.concatenate(ones), np.concatenate(others)


def _chunks(candidates: tuple[Places, Places]) -> Iterable[tuple[Places, Places]]:
    one, other = candidates
    for start in range(0, len(one), CHUNK):
        yield one[start : start + CHUNK], other[start : start + CHUNK]


def _whitened(thumbs: NDArray[np.uint8]) -> Floats:
    """(n, DIMENSIONS): the normalised thumbnails by their principal components, each of variance
    one, but for those so faint that JPEG would decide of them."""
    sample = _normalised(thumbs[:: -(-len(thumbs) // SAMPLE)])
    mean = sample.mean(0)
    values, vectors = np.linalg.eigh(np.cov(sample.T))
    values, vectors = values[-DIMENSIONS:], vectors[:, -DIMENSIONS:]
    scaled: Floats = (vectors / np.sqrt(values + 1e-2 * values[-1] + 1e-12)).astype(np.float32)
    parts = [
        (_normalised(thumbs[start : start + CHUNK]) - mean) @ scaled
        for start in range(0, len(thumbs), CHUNK)
    ]
    return np.concatenate(parts)


def _normalised(thumbs: NDArray[np.uint8]) -> Floats:
    """(n, values), every side without its mean and of one contrast."""
    centred = _centred(thumbs.astype(np.float32))
    contrast = np.maximum(_rms(centred), FLAT)[:, :, None, None]
    return np.asarray((centred / contrast).reshape(len(thumbs), -1), dtype=np.float32)
