"""Two folders of images, outputs and targets, evaluated."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from imtrans.api.errors import ImtransError, some
from imtrans.data.encoding import Direct
from imtrans.data.pairs import spread
from imtrans.data.palette import dominant_colours
from imtrans.data.pixels.decode import decode
from imtrans.evaluation import files
from imtrans.evaluation.choice import MetricChoice
from imtrans.evaluation.fingerprint import measured_how
from imtrans.evaluation.folders import (
    FolderPairs,
    Span,
    encoding_of,
    find_pairs,
    measured_folders,
    seen_again,
)
from imtrans.evaluation.labels import LOOKED_AT, labels_note
from imtrans.evaluation.shared import Work, for_shares, measured_together
from imtrans.evaluation.showcase import chosen, write_pictures
from imtrans.evaluation.table import EvaluationTable
from imtrans.evaluation.wanted import Bar, Gathered, Result, Say, Wanted, alone
from imtrans.host.devices import choose_device
from imtrans.host.words import counted
from imtrans.recipe.catalog import Catalog


def evaluate_folders(
    outputs: str,
    targets: str,
    wanted: Wanted,
    catalog: Catalog,
    *,
    span: Span | None = None,
    output: Path | None = None,
    say: Say,
    bar: Bar,
    gathered: Gathered = alone,
) -> Result:
    """Measure the images of two folders, or of two patterns, and write what was found: beside the
    outputs, or in `output`; of a share of them, a part of it. `span` is the range of values that
    are floats.

    Raises ImtransError for whatever the user can mend.
    """
    choice = MetricChoice(catalog, wanted.metrics)
    if others := choice.set(wanted.settings):
        raise ImtransError(
            f"--set {others[0]}: of two folders there is no recipe; only options of metrics can be "
            "set, as in fid.weights=FILE"
        )
    folders = find_pairs(outputs, targets)
    folder = output or _beside(folders)
    files.check_place(folder)
    encoding, device = encoding_of(folders, span, wanted.max_pixels), choose_device(wanted.device)
    choice.usual()
    palette = [list(colour) for colour in dominant_colours(list(_views(folders, encoding)))]
    if palette and choice.of_labels(palette):
        say(labels_note(len(palette)))
    metrics = choice.built(say, has_sources=False)
    metrics = for_shares(metrics, wanted.share, say, asked=choice.asked)
    used = {name: choice.tables[name] for name in metrics}
    mine = replace(folders, pairs=wanted.share.picked(folders.pairs))

    def measure() -> EvaluationTable:
        with bar("measuring", len(mine.pairs)) as on_pair:
            return measured_folders(mine, encoding, metrics, device, on_pair)

    def write(table: EvaluationTable) -> None:
        names = [table.names[number] for number in chosen(table)]
        with files.replacing(folder) as fresh:
            pictures = write_pictures(fresh, table, seen_again(folders, encoding, names, device))
            files.write(fresh, table, used, {"outputs": outputs, "targets": targets}, pictures)

    def depends_on() -> dict[str, Any]:
        named = [(name, pictures) for name, *pictures in folders.pairs]
        options = {"range": span, "max pixels": wanted.max_pixels}
        return {**options, **measured_how(named, metrics, used)}

    work = Work(folder, folders.names, metrics, measure, write, depends_on)
    result = measured_together(work, wanted.share, gathered)
    if result.pending is not None:
        return result
    return replace(result, left_out=[*_without_partner(folders), *result.left_out])


def _without_partner(folders: FolderPairs) -> Iterator[str]:
    if lone := folders.without_target:
        yield f"not measured: {counted(len(lone), 'output')} without a target: {some(lone)}"
    if lone := folders.without_output:
        yield f"not measured: {counted(len(lone), 'target')} without an output: {some(lone)}"


def _views(folders: FolderPairs, encoding: Direct) -> Iterator[Tensor]:
    """Some targets, if they are of a kind that label maps are."""
    if encoding.result_channels != 3 or encoding.result_dtype != "uint8":
        return
    for index in spread(len(folders.pairs), LOOKED_AT):
        with suppress(ImtransError):  # who measures it says so
            yield decode(folders.pairs[index][2], replace(encoding.expected, fixed=False))


def _beside(folders: FolderPairs) -> Path:
    """A folder beside that of the outputs."""
    places = {Path(output.path).parent for _, output, _ in folders.pairs}
    above = min(places, key=lambda place: len(place.parts))
    if above.name in ("", ".."):  # the working folder, or one above it
        above = above.resolve()
    return above.with_name(f"{above.name or 'root'}-evaluation")
