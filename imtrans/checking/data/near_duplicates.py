"""Pairs that look the same on both sides, found without comparing every two pairs.

Each side is compared by a thumbnail minus its mean, so that brightness does not matter. On real
sets a picture that was saved again as JPEG, halved or brightened differs from the original by
0.01 ... 0.15 of its contrast, and from its nearest neighbour by 0.2 ... 0.9. Both sides must be
near: otherwise drawings and flat labels, which all look alike when so small, would be reported.

Candidates come from locality-sensitive hashing with random hyperplanes (Charikar, "Similarity
estimation techniques from rounding algorithms", STOC 2002): pictures on the same side of all
hyperplanes of a table are compared. The hyperplanes are drawn in the space of principal
components, scaled to equal variance, so that the buckets have similar sizes.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from imtrans.checking.data.inspected_pair import InspectedPair
from imtrans.checking.data.pixel_summary import THUMB

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

NEAR = 0.1  # the share of a side's contrast by which thumbnails may differ (root mean square),
ROUNDING = 1.0  # plus so many levels, for JPEG and for drawings of little contrast
BRIGHTNESS = 16.0  # levels by which their means may differ
FLAT = 4.0  # levels of contrast below which a side cannot be recognised
FEW = 2000  # up to so many pairs all are compared
DIMENSIONS = 32
TABLES = 8
BUCKET = 64  # neighbours within a bucket that are compared, however many it holds
SAMPLE = 4096  # pairs from which the principal components are computed
CHUNK = 65536


def near_duplicates(pairs: Sequence[InspectedPair]) -> list[tuple[int, int, float]]:
    """(place, later place, difference) of pairs that look alike, but are not equal.

    Every later place is listed once, with the first place that it is like. The difference is a
    share of the contrast.
    """
    places = _distinct(pairs)
    if len(places) < 2:
        return []
    thumbs = np.stack([_thumbs(pairs[place]) for place in places])
    found: dict[int, tuple[int, float]] = {}
    for one, other in _candidates(thumbs):
        difference = _differences(thumbs, one, other)
        alike = np.flatnonzero(np.isfinite(difference))
        for i, j, off in zip(one[alike], other[alike], difference[alike], strict=True):
            first, second = sorted((places[i], places[j]))
            if second not in found or first < found[second][0]:
                found[second] = (first, float(off))
    return sorted((first, second, off) for second, (first, off) in found.items())


def _distinct(pairs: Sequence[InspectedPair]) -> list[int]:
    """The first place of each distinct pair."""
    first: dict[tuple[bytes, ...], int] = {}
    for place, pair in enumerate(pairs):
        digests = tuple(side.summary.digest for side in pair.sides if side.summary)
        if len(digests) == len(pair.sides):
            first.setdefault(digests, place)
    return list(first.values())


def _thumbs(pair: InspectedPair) -> NDArray[np.uint8]:
    """(sides, 3, THUMB * THUMB)"""
    content = b"".join(side.summary.thumb for side in pair.sides if side.summary)
    return np.frombuffer(content, np.uint8).reshape(-1, 3, THUMB * THUMB)


def _differences(thumbs: NDArray[np.uint8], one: Places, other: Places) -> Floats:
    """The difference of each candidate, as a share of its contrast; infinite unless both sides are
    near."""
    first, second = thumbs[one].astype(np.float32), thumbs[other].astype(np.float32)
    brightness = np.abs(first.mean(3) - second.mean(3)).max((1, 2))
    first, second = _centred(first), _centred(second)
    contrast = (_rms(first) + _rms(second)) / 2  # (candidates, sides)
    off = _rms(first - second)
    alike = (off <= NEAR * contrast + ROUNDING).all(1) & (brightness <= BRIGHTNESS)
    strongest = contrast.max(1)
    share = off.max(1) / np.maximum(strongest, FLAT)
    return np.where(alike & (strongest >= FLAT), share, np.float32(np.inf))


def _centred(thumbs: Floats) -> Floats:
    return thumbs - thumbs.mean(3, keepdims=True)


def _rms(thumbs: Floats) -> Floats:
    root: Floats = np.sqrt((thumbs**2).mean((2, 3)))
    return root


def _candidates(thumbs: NDArray[np.uint8]) -> Iterator[tuple[Places, Places]]:
    """Pairs of places whose thumbnails may be alike, in chunks."""
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
    """All pairs of places whose distance allows that they are near."""
    farthest = (NEAR + ROUNDING / FLAT) ** 2 * normalised.shape[1]
    squares = (normalised**2).sum(1)
    distances = squares[:, None] + squares[None] - 2 * normalised @ normalised.T
    one, other = np.nonzero(np.triu(distances <= 1.5 * farthest, 1))
    return one, other


def _neighbours(keys: Places) -> tuple[Places, Places]:
    """Pairs of places with equal keys, at most BUCKET apart in the order of their bucket."""
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
    """(n, DIMENSIONS): the principal components of the normalised thumbnails, each scaled to
    variance one, except those so weak that JPEG noise dominates them."""
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
    """(n, values), every side with mean 0 and contrast 1."""
    centred = _centred(thumbs.astype(np.float32))
    contrast = np.maximum(_rms(centred), FLAT)[:, :, None, None]
    return np.asarray((centred / contrast).reshape(len(thumbs), -1), dtype=np.float32)
