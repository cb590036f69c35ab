"""A recipe for a folder: how its pairs are stored, what they hold, and how to learn from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

from imtrans.api.errors import ImtransError, some
from imtrans.api.pictures import Layout, Pair
from imtrans.checking.data.as_stored import as_stored
from imtrans.checking.data.collecting_orphans import CollectingOrphans
from imtrans.checking.data.guess import Guess, guess
from imtrans.data.draws import validation_indices
from imtrans.data.families.words import VALIDATION
from imtrans.drafting.choice import LOSS, Choice, recipe_text
from imtrans.drafting.pixels import pixels
from imtrans.drafting.sample import SideSample, sample_side, sides
from imtrans.drafting.sizes import crop_size, generator, sizes
from imtrans.recipe.building import built
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import ComponentTable, DataTable

SHARES = (0.1, 0.2, 0.5)  # of the pairs, for validation: the first that leaves one
STEPS = 80_000  # of the paper's smallest sets: 400 pairs, 200 epochs
EPOCHS = (5, 10, 15, 20, 30, 50, 100, 200)


@dataclass(frozen=True)
class Draft:
    """A recipe, and what a user should hear of it."""

    opening: str  # what was found
    choices: tuple[Choice, ...]
    remarks: tuple[str, ...]  # what else it could be, and what is missing

    @property
    def text(self) -> str:
        """The recipe as TOML."""
        return recipe_text(self.opening, self.choices)


def draft(root: str, source: str | None, catalog: Catalog) -> Draft:
    """A recipe for the pairs below a folder; `source` names the side that is given, if the names
    of the files do not show it. Raises ImtransError if there are no pairs."""
    if not Path(root).is_dir():
        raise ImtransError(f"{root}: no such folder")
    found = guess(root, source)
    table = found.table["layout"]
    layout_table = ComponentTable.model_validate(
        {"name": table} if isinstance(table, str) else table
    )
    if layout_table.name == "unpaired":
        raise _unpaired(root, found)
    component = catalog.layouts[layout_table.name]
    train = found.table.get("train", "train")
    layout = CollectingOrphans(built(component, layout_table, found.table["root"]), train)
    pairs = layout.pairs(train)
    a, b = (sample_side(pictures) for pictures in sides(pairs))
    found = _derived(found, b) if "derive" in found.table else _directed(found, source, a, b)
    target = _in_direction(found, a, b)[1]
    sure = source is not None or found.known or bool(a.kind) != bool(b.kind)
    choices = (
        Choice("", "title", _title(root, found)),
        *_data(found, source, layout, pairs, a, b),
        *_networks(crop_size(target.sizes), len(pairs)),
    )
    missing = [name for name, _ in layout.orphans]
    opening = f"{root}: {found.reason}"
    return Draft(opening, choices, tuple(_remarks(found, missing, sure)))


def _unpaired(root: str, found: Guess) -> ImtransError:
    return ImtransError(
        f"{root}: {found.reason}, so it does not show which pictures are pairs. give partners the "
        "same name, or pair them in a table (pairs.csv with the header source,target). to learn "
        "without pairs, see `imtrans recipes show horse2zebra`"
    )


def _derived(found: Guess, photos: SideSample) -> Guess:
    """Photographs: what may be derived from them."""
    grey = bool(photos.headers) and photos.headers[0].channels == 1
    return replace(found, table={**found.table, "derive": "edges" if grey else "grayscale"})


def _directed(found: Guess, source: str | None, a: SideSample, b: SideSample) -> Guess:
    """Where names do not say which side is the source: labels and drawings usually are."""
    if source is None and not found.known and b.kind and not a.kind:
        return replace(found, table={**found.table, "direction": "BtoA"})
    return found


def _title(root: str, found: Guess) -> str:
    name = Path(root).resolve().name
    if not found.sides:
        return name
    given, made = _in_direction(found, *found.sides[:2])
    return f"{name}: {given} to {made}"


def _in_direction(found: Guess, a: Any, b: Any) -> tuple[Any, Any]:
    """Source and target of what belongs to A and B."""
    return (b, a) if found.table.get("direction") == "BtoA" else (a, b)


def _data(
    found: Guess,
    source: str | None,
    layout: Layout,
    pairs: Sequence[Pair],
    a: SideSample,
    b: SideSample,
) -> Iterator[Choice]:
    table = dict(found.table)
    where = "the folder, seen from where imtrans is started"
    yield Choice("data", "root", table["root"], where)
    if isinstance(table["layout"], str):
        yield Choice("data", "layout", table["layout"], found.reason)
    if "train" in table:
        yield Choice("data", "train", table["train"], "the split that is trained on")
    yield from _validation(layout, table, len(pairs))
    if "derive" in table:
        reason = 'what makes the source of each picture; also "lab", "edges", "mask", "downscale"'
        yield Choice("data", "derive", table["derive"], reason)
    else:
        reason = _why_direction(found, source, a, b)
        yield Choice("data", "direction", table.get("direction", "AtoB"), reason)
    yield from sizes(_in_direction(found, a, b)[1].sizes)
    flip = "mirrored copies too; false if left and right differ, as in text"
    yield Choice("data", "flip", True, flip)
    if not isinstance(table["layout"], str):
        for key, value in table["layout"].items():
            reason = found.reason if key == "name" else ""
            yield Choice("data.layout", key, value, reason)
    yield from _pixels(found, pairs, a, b)


def _pixels(found: Guess, pairs: Sequence[Pair], a: SideSample, b: SideSample) -> Iterator[Choice]:
    stored = as_stored(pairs, DataTable(root="."))  # A is the source there
    source, target = _in_direction(found, ("source", a), ("target", b))
    if "derive" not in found.table and source[0] in stored:
        yield from pixels("source", stored[source[0]], source[1])
    if target[0] in stored:
        yield from pixels("target", stored[target[0]], target[1])


def _validation(layout: Layout, table: dict[str, Any], count: int) -> Iterator[Choice]:
    """A split that is there, or a share of the pairs."""
    if "validation" in table:
        names = [table["validation"]]
    else:
        words = (name for word in VALIDATION for name in (word, word.capitalize()))
        names = [name for name in words if name != table.get("train") and layout.has(name)]
    if names:
        reason = "pairs that are not trained on, to measure on: this split is there"
        yield Choice("data", "validation", names[0], reason)
        return
    for share in SHARES:
        if 0 < len(validation_indices(0, count, share)) < count:
            reason = "share of the pairs that is not trained on, to measure on: no split is there"
            yield Choice("data", "validation", share, reason)
            return


def _why_direction(found: Guess, source: str | None, a: SideSample, b: SideSample) -> str:
    given, made = _in_direction(found, *found.sides[:2])
    turned = "AtoB" if found.table.get("direction") == "BtoA" else "BtoA"
    what = f"from {given} to {made}"
    if source is not None:
        return f"{what}, as --source says"
    if found.known:
        return f"{what}, as is usual for such names; the other way round: {turned}"
    if bool(a.kind) != bool(b.kind):
        looks = f"since {given} looks like {a.kind or b.kind}"
        return f"{what}, {looks}; the other way round: {turned}"
    return f"{what} is a guess: look with `imtrans data show`; the other way round: {turned}"


def _networks(crop: int, count: int) -> Iterator[Choice]:
    yield generator(crop)
    small = crop < 128
    sees = "16 px, for small pictures" if small else "70 px, as in the paper"
    name = "patch_16" if small else "patch_70"
    yield Choice("discriminator", "name", name, f"judges patches of {sees}")
    yield Choice("adversarial", "name", "vanilla", "as in the paper")
    yield Choice(LOSS, "name", "l1", "keeps the output near the target")
    yield Choice(LOSS, "weight", 100.0, "as in the paper; less: sharper, but less faithful")
    epochs = next((n for n in EPOCHS if n * count >= STEPS), EPOCHS[-1])
    reason = f"{count:,} pairs; about {epochs * count:,} steps in all"
    yield Choice("train", "epochs", epochs, reason)
    reason = "from this epoch on the learning rate falls, to 0 at the end"
    yield Choice("train", "decay_from", max(1, epochs // 2), reason)
    yield Choice("train", "batch_size", 1, "as in the paper; 4 or more is faster on a GPU")


def _remarks(found: Guess, missing: Sequence[str], sure: bool) -> Iterator[str]:
    """What else it could be, and what is missing."""
    if found.otherwise:
        yield found.otherwise
    if len(found.sides) > 1:
        given, made = _in_direction(found, *found.sides[:2])
        guessed = "" if sure else ", which is a guess"
        turn = f"to learn from '{made}' to '{given}': --source {quote(made)}"
        yield f"the source is '{given}'{guessed}; {turn}"
    if others := found.sides[2:]:
        listed = ", ".join(f"--source {quote(other)}" for other in others)
        yield f"further sides are there, which are not used: {listed}"
    if missing:
        count = f"{len(missing)} images have" if len(missing) > 1 else "1 image has"
        yield f"{count} no partner, and training refuses that: {some(missing)}. add or remove them"
