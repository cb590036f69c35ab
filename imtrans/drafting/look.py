"""Looking at a folder: how its pairs are stored, which side is the source, what the files are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imtrans.api.addresses import is_address, without_secrets
from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.collecting_orphans import CollectingOrphans
from imtrans.checking.data.guess import Guess, guess
from imtrans.drafting.sample import SideSample, sample_side, sides
from imtrans.host.words import counted
from imtrans.recipe.building import built
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import ComponentTable
from imtrans.runs.checkpoint import checkpoints


@dataclass(frozen=True)
class Looked:
    """What was seen of a folder."""

    root: str
    guess: Guess  # of its layout and its direction
    layout: CollectingOrphans
    pairs: Sequence[Pair]  # to train on
    a: SideSample
    b: SideSample
    why: str = ""  # that side is the source; '' if it is only a guess

    @property
    def table(self) -> dict[str, Any]:
        """The beginning of the recipe's `[data]`."""
        return self.guess.table

    @property
    def is_derived(self) -> bool:
        """Whether there are targets alone."""
        return "derive" in self.table

    @property
    def names(self) -> tuple[str, str]:
        """What a person calls the source and the target."""
        source, target = self.directed(*self.guess.sides[:2])
        return source, target

    @property
    def target(self) -> SideSample:
        return self.directed(self.a, self.b)[1]

    def directed(self, a: Any, b: Any) -> tuple[Any, Any]:
        """What belongs to the source, and to the target, of what belongs to A and to B."""
        return (b, a) if self.table.get("direction") == "BtoA" else (a, b)


def look(root: str, source: str | None, catalog: Catalog) -> Looked:
    """Look at a folder; `source` is the name of the side that is given, if a person says it.

    Raises ImtransError if there are no pairs.
    """
    if is_address(root):
        raise ImtransError(
            f"{without_secrets(root)}: only folders of this machine can be looked at; for an "
            'address, write a recipe with layout = "shards"'
        )
    if Path(root).is_file():
        raise ImtransError(f"{root}: is a file. name the folder that the pairs are in")
    if not Path(root).is_dir():
        raise ImtransError(f"{root}: no such folder")
    if checkpoints(Path(root)):
        raise ImtransError(
            f"{root}: a run, whose pictures are samples of its training. give the folder with the "
            "pairs; the recipe of a run is its recipe.toml"
        )
    found = guess(root, source)
    layout = _layout(root, found, catalog)
    pairs = layout.pairs(layout.required)
    a, b = (_sampled(root, pictures) for pictures in sides(pairs))
    looked = Looked(root, found, layout, pairs, a, b)
    return _derived(looked) if looked.is_derived else _directed(looked, source)


def _sampled(root: str, pictures: Sequence[Picture]) -> SideSample:
    """Some pictures of a side, of which at least one can be read."""
    found = sample_side(pictures)
    if pictures and not found.headers:
        path, why = next(iter(found.broken.items()))
        tried = counted(len(found.broken), "file")
        raise ImtransError(
            f"{root}: none of the {tried} looked at can be read, as {path}: {why}. copy or "
            "download them again"
        )
    return found


def _layout(root: str, found: Guess, catalog: Catalog) -> CollectingOrphans:
    stored = found.table["layout"]
    table = ComponentTable.model_validate({"name": stored} if isinstance(stored, str) else stored)
    if table.name == "unpaired":
        raise ImtransError(
            f"{root}: {found.reason}, so it does not show which pictures are pairs. give partners "
            "the same name, or pair them in a table (pairs.csv with the header source,target). to "
            "learn without pairs, see `imtrans recipes show horse2zebra`"
        )
    layout = built(catalog.layouts[table.name], table, found.table["root"])
    return CollectingOrphans(layout, found.table.get("train", "train"))


def _derived(looked: Looked) -> Looked:
    """What the source of each photograph may be: of those in colour their lightness, so that the
    colours are learned and nothing else; of grey ones their edges."""
    first = next(iter(looked.b.headers), None)
    if first is None or (first.dtype == "uint8" and first.channels == 3):
        return replace(looked, guess=replace(looked.guess, table={**looked.table, "derive": "lab"}))
    if first.dtype != "uint8" or first.colour != "grey":
        raise ImtransError(
            f"{looked.root}: single pictures, {first.kind}; a source can be derived from 8-bit "
            "photographs only. if they are pairs, give partners the same name, or pair them in a "
            "table (pairs.csv with the header source,target)"
        )
    edges = replace(looked.guess, table={**looked.table, "derive": "edges"})
    return replace(looked, guess=edges)


def _directed(looked: Looked, source: str | None) -> Looked:
    """Which side is the source: the one that is named, or as names or pictures show it."""
    if source is not None:
        return replace(looked, why="as --source says")
    if looked.guess.known:
        return replace(looked, why="as is usual for such names")
    a, b = looked.a.kind, looked.b.kind
    if bool(a) == bool(b):
        return looked
    name = looked.guess.sides[0 if a else 1]
    direction = {} if a else {"direction": "BtoA"}
    turned = replace(looked.guess, table={**looked.table, **direction})
    return replace(looked, guess=turned, why=f"since {name} looks like {a or b}")
