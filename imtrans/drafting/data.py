"""The `[data]` tables of a drafted recipe."""

from collections.abc import Iterator

from imtrans.checking.data.as_stored import as_stored
from imtrans.data.families.words import VALIDATION
from imtrans.drafting.choice import Choice
from imtrans.drafting.look import Looked
from imtrans.drafting.pixels import pixels
from imtrans.recipe.schema import DataTable


def data(looked: Looked) -> Iterator[Choice]:
    """Where the pairs are, how they are stored, and what they hold."""
    table, reason = looked.table, looked.guess.reason
    where = "the folder, seen from where imtrans is started"
    yield Choice("data", "root", table["root"], where)
    if isinstance(table["layout"], str):
        yield Choice("data", "layout", table["layout"], reason)
    if "train" in table:
        yield Choice("data", "train", table["train"], "the split that is trained on")
    yield _source(looked)
    if not isinstance(table["layout"], str):
        for key, value in table["layout"].items():
            yield Choice("data.layout", key, value, reason if key == "name" else "")
    yield from _pixels(looked)


def validation_split(looked: Looked) -> str:
    """The split for validation that is there, or ''."""
    train = looked.layout.required
    words = (name for word in VALIDATION for name in (word, word.capitalize()))
    there = (name for name in words if name != train and looked.layout.has(name))
    return str(looked.table.get("validation") or next(there, ""))


def _source(looked: Looked) -> Choice:
    """Which side is the source, or what makes it."""
    if looked.is_derived:
        reason = (
            'what makes the source of each picture; also "grayscale", "edges", "mask", "downscale"'
        )
        return Choice("data", "derive", looked.table["derive"], reason)
    direction = looked.table.get("direction", "AtoB")
    turned = "AtoB" if direction == "BtoA" else "BtoA"
    source, target = looked.names
    why = f", {looked.why}" if looked.why else " is a guess: look with `imtrans data show`"
    reason = f"from {source} to {target}{why}; the other way round: {turned}"
    return Choice("data", "direction", direction, reason)


def _pixels(looked: Looked) -> Iterator[Choice]:
    stored = as_stored(looked.pairs, DataTable(root="."))  # A is the source there
    both = looked.directed(("source", looked.a), ("target", looked.b))
    for side, (name, sample) in zip(("source", "target"), both, strict=True):
        if name not in stored or (looked.is_derived and side == "source"):
            continue
        # Derivations take photographs in colour; grey files are read so.
        channels = {"channels": 3} if looked.is_derived else {}
        yield from pixels(side, {**stored[name], **channels}, sample)
