"""Which images an evaluation is of: equal wherever the same files are, however they came there."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from imtrans.api.hookspecs import Metric
from imtrans.api.pictures import Picture
from imtrans.data.pairs import spread

Facts = dict[str, Any]
READ = 8  # pairs whose files are read whole: of others the size says enough
Named = tuple[str, Iterable[Picture]]


def measured_how(pairs: Sequence[Named], metrics: Mapping[str, Metric], options: Facts) -> Facts:
    """What values depend on, of whatever was evaluated."""
    made_with = {name: getattr(metric, "made_with", "") for name, metric in metrics.items()}
    return {"images": fingerprint(pairs), "metrics": [options, made_with]}


def fingerprint(pairs: Sequence[Named]) -> str:
    """A sum over the names of pairs, the sizes of their files, and the content of some. Not over
    paths and times, which are others where files were copied to another machine."""
    found = hashlib.sha256()
    read = set(spread(len(pairs), READ))
    size_of = lru_cache(2**16)(_size)
    for index, (name, pictures) in enumerate(pairs):
        found.update(os.fsencode(f"\0{name}"))
        for one in pictures:
            size = one.size or size_of(one.path)
            found.update(os.fsencode(f"\0{one.half}\0{one.member}\0{size}"))
            if index in read and one.member is None:
                with suppress(OSError, ValueError), open(one.path, "rb") as file:
                    found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def _size(path: str) -> int:
    """In bytes; of what is no file here, 0."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return 0
