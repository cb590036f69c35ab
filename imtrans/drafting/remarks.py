"""What a person should hear of a draft."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from imtrans.api.errors import some
from imtrans.checking.data.guess_table import unused_tables
from imtrans.drafting.fitting import LEAST_SHOWN, lasts
from imtrans.drafting.look import Looked
from imtrans.drafting.situation import SHARE, Situation
from imtrans.host.words import counted, duration, size

FEWEST_FOLDERS = 2  # fewer are sides, or splits
LONG = 24 * 3600  # s


def remarks(looked: Looked, facts: Situation) -> Iterator[str]:
    """What else it could be, what is missing, and how long it will take."""
    yield from _of_the_files(looked)
    yield from _groups(looked, facts)
    if missing := [name for name, _ in looked.layout.orphans]:
        count = f"{len(missing)} images have" if len(missing) > 1 else "1 image has"
        yield f"{count} no partner, and training refuses that: {some(missing)}. add or remove them"
    broken = facts.source.broken | facts.target.broken
    if broken:
        yield (
            f"{counted(len(broken), 'file')} of those looked at cannot be read, and training "
            f"refuses that: {some(broken, 3)}. copy them again, or remove their pairs; "
            "`imtrans data check` names all, and says why"
        )
    yield from of_the_machine(facts)


def _of_the_files(looked: Looked) -> Iterator[str]:
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


def _groups(looked: Looked, facts: Situation) -> Iterator[str]:
    """Folders with several pairs: those of a patient, perhaps, that validation would part."""
    folders = Counter(str(Path(pair.b[0].path).parent) for pair in looked.pairs)
    if not FEWEST_FOLDERS < len(folders) < len(looked.pairs):
        return
    if isinstance(facts["data.validation"], float):
        yield (
            f"{len(looked.pairs)} pairs are in {len(folders)} folders, and validation draws single "
            "pairs: if a folder is one patient or place, keep whole folders for validation, or its "
            'figures will be too good. lists of names do that: data.train = "train.txt", '
            'data.validation = "val.txt"'
        )


def of_the_machine(facts: Situation) -> Iterator[str]:
    """Time and memory, where they were measured."""
    cost, name = facts.cost, facts.machine.name
    if cost is None:
        return
    if cost.failure:
        yield f"no step could be taken here, so no time is planned: {cost.failure}"
        return
    if not cost.fits:
        free = f", of which {size(facts.machine.free)} is free" if facts.machine.free else ""
        yield (
            f"even so small it needs more memory than {name} has{free}: use a smaller "
            "data.crop_size, or another machine"
        )
        return
    assert cost.seconds is not None
    assert facts.seconds is not None
    needed = f"; {size(cost.memory)} of memory" if cost.memory else ""
    step = f"{counted(facts.steps, 'step')} of {cost.seconds:.3g} s, measured on noise{needed}"
    yield f"it will take about {duration(facts.seconds)} on {name}: {step}"
    if facts.machine.busy and facts.machine.device == "cpu":
        yield (
            "other programs use the cores now; this is the time without them. until they end, "
            "OMP_NUM_THREADS=1 makes every command faster"
        )
    if facts.hours is None and facts.seconds > LONG:
        yield "for less time: --hours 8. it plans fewer epochs, and smaller networks if need be"
    if facts.affordable and not lasts(facts):
        yield (
            f"{facts.hours:g} hours are little: {counted(facts.shown, 'pair')} will be shown, and "
            f"even a small network needs about {LEAST_SHOWN:,}"
        )
    if facts.hours is not None and facts.affordable == 0:
        epoch = duration(cost.seconds * facts.batches / SHARE)
        yield (
            f"one epoch of {facts.trained_on:,} pairs takes {epoch}, which is more than "
            f"{facts.hours:g} hours; take fewer pairs, or more time"
        )
