"""Pairs that are read as something else: one file on both sides, single pictures cut into halves,
pairs of files taken for single photographs."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote

from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.inspection import Inspection
from imtrans.checking.finding import Finding, Row, Severity, finding_of
from imtrans.data.families.advice import advice
from imtrans.data.families.find import Family, find_family
from imtrans.host.words import counted

MANY = 20_000  # pairs whose names are compared
SAME = 1000  # pairs whose files are compared by name
READ = 20  # pairs whose files are compared byte by byte


def misread(
    inspection: Inspection, training: Sequence[Pair], validation: Sequence[Pair]
) -> Iterator[Finding]:
    """What shows that the layout does not fit the files."""
    if inspection.paired:
        yield from same_pictures(inspection)
    family = _family(inspection.data.root, [training, validation])
    yield from _cut(inspection, family)
    if family and inspection.data.derive:
        yield from _photographs(family, inspection.data.root)


def same_pictures(inspection: Inspection) -> Iterator[Finding]:
    """Pairs whose source and target are one file, or two files with the same bytes."""
    rows, read = [], 0
    places = range(min(len(inspection.inspected), SAME))
    for place in places:
        pair = inspection.pairs[inspection.indices[place]]
        if len(pair.a) != 1 or len(pair.b) != 1:
            continue
        (a,), (b,) = pair.a, pair.b
        if a == b or _is_one_file(a, b):
            rows.append(Row(inspection.name(place), "source and target are this one file"))
        elif read < READ and _is_whole(inspection, place) and _may_be_equal(a, b):
            read += 1
            if Path(a.path).read_bytes() == Path(b.path).read_bytes():
                rows.append(Row(inspection.name(place), "two files with the same content"))
    severity: Severity = "error" if len(rows) > len(places) / 2 or len(rows) >= READ else "warning"
    number = counted(len(rows), "pair has", "pairs have")
    message = f"{number} the same picture as source and target"
    remedy = (
        "name other files in data.layout: nothing can be learned from a target that is its source"
    )
    yield from finding_of("same-file", message, severity, rows, remedy)


def _is_whole(inspection: Inspection, place: int) -> bool:
    """Whether both files can be read: those that cannot are reported as such."""
    return all(side.files[0].header for side in inspection.inspected[place].sides)


def _is_one_file(a: Picture, b: Picture) -> bool:
    """Whether one path is a link to the other."""
    if (a.half, a.member) != (b.half, b.member) or a.content or b.content:
        return False
    with suppress(OSError):
        return os.path.samefile(a.path, b.path)
    return False


def _may_be_equal(a: Picture, b: Picture) -> bool:
    if a.half or a.member or a.content or b.half or b.member or b.content:
        return False
    with suppress(OSError):
        return os.path.getsize(a.path) == os.path.getsize(b.path)
    return False


def _family(root: str, splits: Iterable[Sequence[Pair]]) -> Family | None:
    """The family of files that are a pair each, or a target alone; of very many, none."""
    parts = list(splits)
    if sum(map(len, parts)) > MANY:
        return None
    paths = []
    for pairs in parts:
        for pair in pairs:
            picture = pair.b[0]
            if picture.member or picture.content or (pair.a and not picture.half):
                return None
            paths.append(os.path.relpath(picture.path, root).replace(os.sep, "/"))
    return find_family(paths)


def _cut(inspection: Inspection, family: Family | None) -> Iterator[Finding]:
    """Files that are cut into halves, and are not wider than high, or pairs by their names."""
    halves, rows = 0, []
    for place, pair in enumerate(inspection.inspected):
        header = pair.target.files[0].header if pair.target else None
        if header is None or not inspection.pictures(place, "target")[0].half:
            continue
        halves += 1
        width, height = header.size
        if width <= height:
            rows.append(Row(inspection.name(place), f"{width} x {height} px, cut in the middle"))
    if family and halves:
        most = 2 * len(rows) > halves
        yield Finding(
            "single-pictures",
            f"each file is cut into two halves, but {family.text}",
            "error" if most else "warning",
            tuple(rows),
            advice(family, inspection.data.root),
        )
        return
    number = counted(len(rows), "side-by-side file is", "side-by-side files are")
    message = f"{number} not wider than high"
    remedy = (
        "look at them with `imtrans data show`: if each is one picture, and no pair A | B, choose "
        'another layout: "folders" for two files per pair, "photos" for targets alone; '
        f"`imtrans init {quote(inspection.data.root)}` proposes one"
    )
    yield from finding_of("single-pictures", message, "warning", rows, remedy)


def _photographs(family: Family, root: str) -> Iterator[Finding]:
    message = f"each file is taken for a single photograph, but {family.text}"
    yield Finding("pairs", message, "warning", (), advice(family, root))
