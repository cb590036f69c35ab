"""A recipe for a folder, and what a person should hear of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from imtrans.api.errors import some
from imtrans.checking.data.guess_table import unused_tables
from imtrans.drafting.choice import LOSS, Choice, recipe_text
from imtrans.drafting.data import data
from imtrans.drafting.look import Looked, look
from imtrans.drafting.sizes import crop_size, generator
from imtrans.recipe.catalog import Catalog

FEWEST_FOLDERS = 2  # fewer are sides, or splits
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
    """A recipe for the pairs below a folder; `source` names the side that is given, if a person
    says it. Raises ImtransError if there are no pairs."""
    looked = look(root, source, catalog)
    choices = (
        Choice("", "title", _title(looked)),
        *data(looked),
        *_networks(crop_size(looked.target.sizes)),
        *_training(len(looked.pairs)),
    )
    return Draft(f"{root}: {looked.guess.reason}", choices, tuple(_remarks(looked)))


def _title(looked: Looked) -> str:
    name = Path(looked.root).resolve().name
    return name if looked.is_derived else f"{name}: {' to '.join(looked.names)}"


def _networks(crop: int) -> Iterator[Choice]:
    yield generator(crop)
    small = crop < 128
    sees = "16 px, for small pictures" if small else "70 px, as in the paper"
    name = "patch_16" if small else "patch_70"
    yield Choice("discriminator", "name", name, f"judges patches of {sees}")
    yield Choice("adversarial", "name", "vanilla", "as in the paper")
    yield Choice(LOSS, "name", "l1", "keeps the output near the target")
    yield Choice(LOSS, "weight", 100.0, "as in the paper; less: sharper, but less faithful")


def _training(count: int) -> Iterator[Choice]:
    """How long: about as many steps as the paper takes for a small set."""
    epochs = next((n for n in EPOCHS if n * count >= STEPS), EPOCHS[-1])
    reason = f"{count:,} pairs; about {epochs * count:,} steps in all"
    yield Choice("train", "epochs", epochs, reason)
    reason = "from this epoch on the learning rate falls, to 0 at the end"
    yield Choice("train", "decay_from", max(1, epochs // 2), reason)
    yield Choice("train", "batch_size", 1, "as in the paper; 4 or more is faster on a GPU")


def _remarks(looked: Looked) -> Iterator[str]:
    """What else it could be, and what is missing."""
    if looked.guess.otherwise:
        yield looked.guess.otherwise
    stored = looked.table["layout"]
    yield from unused_tables(looked.root, stored.get("file") if isinstance(stored, dict) else None)
    if not looked.is_derived:
        source, target = looked.names
        guessed = "" if looked.why else ", which is a guess"
        turn = f"to learn from '{target}' to '{source}': --source {quote(target)}"
        yield f"the source is '{source}'{guessed}; {turn}"
    if others := looked.guess.sides[2:]:
        listed = ", ".join(f"--source {quote(other)}" for other in others)
        yield f"further sides are there, which are not used: {listed}"
    yield from _groups(looked)
    if missing := [name for name, _ in looked.layout.orphans]:
        count = f"{len(missing)} images have" if len(missing) > 1 else "1 image has"
        yield f"{count} no partner, and training refuses that: {some(missing)}. add or remove them"


def _groups(looked: Looked) -> Iterator[str]:
    """Folders with several pairs: those of a patient, perhaps, that validation would part."""
    folders = Counter(str(Path(pair.b[0].path).parent) for pair in looked.pairs)
    if not FEWEST_FOLDERS < len(folders) < len(looked.pairs):
        return
    shares = (choice for choice in data(looked) if choice.path == "data.validation")
    if any(isinstance(choice.value, float) for choice in shares):
        yield (
            f"{len(looked.pairs)} pairs are in {len(folders)} folders, and validation draws single "
            "pairs: if a folder is one patient or place, keep whole folders for validation, or its "
            'figures will be too good. lists of names do that: data.train = "train.txt", '
            'data.validation = "val.txt"'
        )
