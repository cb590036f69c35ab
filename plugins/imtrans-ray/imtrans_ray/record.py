"""What the shards in an output were made from, so that the same command continues, and no other."""

import json
from collections.abc import Mapping, Sequence

from imtrans.api.errors import ImtransError, some
from imtrans.api.pictures import RESULTS
from imtrans_ray.places import Place

RECORD = "imtrans-ray.json"
FAILED = "failed"


def remaining(
    output: Place, names: Sequence[str], made_from: Mapping[str, str], overwrite: bool
) -> list[str]:
    """Which shards are still to be made: a shard is written at once, so that one that is there is
    whole. Raises ImtransError when the output holds shards of another translation."""
    there = set(output.files())
    tars = {name for name in there if name.endswith(".tar")}
    before = _read(output) if RECORD in there else None
    other = tars if before != made_from else set()
    if other and not overwrite:
        raise ImtransError(_why_not(output, sorted(other), before, made_from))
    if others := sorted(other - set(names)):
        raise ImtransError(
            f"{output.address}: holds shards of another translation, which this one would not "
            f"replace: {some(others)}. remove them, or choose another --output"
        )
    if overwrite:
        # All before the first is made: what is there after an interruption is of this translation.
        for name in sorted(tars & set(names)):
            (output / name).remove()
        tars = set()
    if before != made_from:
        (output / RECORD).write(json.dumps(dict(made_from), indent=1).encode())
        if output.is_local:  # other commands see that these are results, and no data
            (output / RESULTS).write(b"")
    return [name for name in names if name not in tars]


def _why_not(
    output: Place,
    there: Sequence[str],
    before: Mapping[str, str] | None,
    made_from: Mapping[str, str],
) -> str:
    known = dict(before or {})
    differs = [key for key in made_from if key in known and known[key] != made_from[key]]
    how = f" (with other {' and '.join(differs)})" if differs else ""
    return (
        f"{output.address}: holds shards of another translation{how}: {some(there)}. add "
        "--overwrite to replace them, or choose another --output"
    )


def _read(output: Place) -> dict[str, str] | None:
    try:
        found = json.loads((output / RECORD).read())
        return {str(key): str(value) for key, value in found.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return None  # absent or damaged: what is there counts as another's


def note_failed(output: Place, shard: str, failed: Sequence[Mapping[str, str]]) -> None:
    """Keep which images of a shard have no result, for as long as the shard is there."""
    place = output / FAILED / f"{shard}.json"
    if failed:
        place.write(json.dumps(list(failed), indent=1).encode())
    else:
        place.remove()


def all_failed(output: Place, shards: Sequence[str]) -> list[dict[str, str]]:
    """The images of these shards that have no result."""
    found, wanted = [], set(shards)
    for name in (output / FAILED).files():
        if name.removesuffix(".json") in wanted:
            found += json.loads((output / FAILED / name).read())
    return found


def write_failed(output: Place, failed: Sequence[Mapping[str, str]]) -> None:
    """failed.json of the output: all images and shards that have no result; none, if all have."""
    place = output / f"{FAILED}.json"
    if failed:
        place.write(json.dumps(list(failed), indent=1).encode())
    else:
        place.remove()
