from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.common import DeviceOption, complain, say, say_wrapped
from imtrans.cli.evaluate_options import (
    BestOption,
    CheckpointOption,
    FolderOption,
    FoldersArgument,
    MaxPixelsOption,
    MetricOption,
    RangeOption,
    RunOption,
    ScorerOption,
    SettingsOption,
    SplitOption,
)
from imtrans.cli.report import report_at_the_end
from imtrans.cli.sampling_options import DropoutSeedOption, MeasuredSamplesOption, NfeOption
from imtrans.cli.sharing import ShardOption, Sharing

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.evaluation.columns import Estimate
    from imtrans.evaluation.table import EvaluationTable
    from imtrans.evaluation.wanted import Result, Wanted

FEW = 30  # images; intervals of fewer are rough


def evaluate(
    folders: FoldersArgument = None,
    recipe: RunOption = None,
    checkpoint: CheckpointOption = None,
    best: BestOption = False,
    split: SplitOption = None,
    metric: MetricOption = None,
    set_: SettingsOption = None,
    scorer: ScorerOption = None,
    range_: RangeOption = None,
    output: FolderOption = None,
    max_pixels: MaxPixelsOption = None,
    nfe: NfeOption = None,
    dropout_seed: DropoutSeedOption = None,
    samples: MeasuredSamplesOption = None,
    device: DeviceOption = None,
    shard: ShardOption = None,
) -> None:
    """Measure outputs against their targets, with intervals: all validation pairs of a run, or two
    folders of images, whoever made them.

    Written are metrics.json (every value with its 95 % bootstrap interval), metrics.csv (a row for
    each image), rows.safetensors (for `imtrans compare`) and some pictures. An image that cannot be
    read is named and skipped, and the exit code is 1. `--samples 5` measures how far apart several
    outputs for an image are, of a network that draws random numbers.

    Several processes share the images: `torchrun --nproc-per-node 4 -m imtrans evaluate ...`; or
    the tasks of a job array, `--shard $SLURM_ARRAY_TASK_ID/8`: the last one writes all values.

    Example: `imtrans evaluate --recipe maps --best`
    """
    from imtrans.evaluation.wanted import Wanted
    from imtrans.translation.sampling import Sampling

    sharing = Sharing(shard)
    device = sharing.device(device)
    sampling = Sampling(nfe, dropout_seed, samples)
    options = split, best, scorer, device, max_pixels, sharing.share, sampling
    wanted = Wanted(metric or (), set_ or (), *options)
    out = sharing.console()
    if folders:
        _refuse_both(folders, recipe or checkpoint)
        result = _of_folders(folders, wanted, range_, output, out, sharing)
    else:
        result = _of_run(recipe, checkpoint, wanted, output, out, sharing)
    raise typer.Exit(_said(result, out) if sharing.leads else 0)  # rank 0 speaks for all


def _said(result: "Result", out: "Console") -> int:
    """Say what was measured, and where it was written; returns the exit code."""
    if result.pending is not None:
        _print_skipped(result.table)
        say(out, result.pending)
        return 1 if result.table.skipped else 0
    for line in result.left_out:
        complain(line)
    _print(out, result.table)
    say(out, f"written to {result.folder}")
    if result.run and result.folder.is_relative_to(result.run):
        report_at_the_end(result.run, out)
    return 1 if result.table.skipped or result.left_out else 0


def _refuse_both(folders: list[str], trained: str | None) -> None:
    if trained:
        raise ImtransError(
            "name either two folders, or what was trained (--recipe or --checkpoint), not both"
        )
    if len(folders) != 2:
        raise ImtransError(
            "name two folders, the outputs and their targets: imtrans evaluate OUTPUTS TARGETS. "
            "what was trained is named by --recipe or --checkpoint"
        )


def _of_run(
    recipe: str | None,
    checkpoint: str | None,
    wanted: "Wanted",
    output: Path | None,
    out: "Console",
    sharing: Sharing,
) -> "Result":
    from imtrans.cli.trained import trained
    from imtrans.evaluation.of_run import evaluate_run

    _, place = trained(recipe, checkpoint, False, "generator")
    return evaluate_run(
        place,
        wanted,
        sharing.installed(),
        output=output,
        say=partial(say_wrapped, out),
        bar=partial(sharing.progress, out),
        gathered=sharing.gathered,
    )


def _of_folders(
    folders: list[str],
    wanted: "Wanted",
    span: tuple[float, float] | None,
    output: Path | None,
    out: "Console",
    sharing: Sharing,
) -> "Result":
    from imtrans.evaluation.of_folders import evaluate_folders
    from imtrans.translation.sampling import Sampling

    if wanted.split or wanted.best or wanted.scorer:
        raise ImtransError("--split, --best and --scorer belong to a run; leave them out")
    if wanted.sampling != Sampling():
        raise ImtransError("--nfe, --dropout-seed and --samples belong to a run; leave them out")
    return evaluate_folders(
        folders[0],
        folders[1],
        wanted,
        sharing.installed(),
        span=span,
        output=output,
        say=partial(say_wrapped, out),
        bar=partial(sharing.progress, out),
        gathered=sharing.gathered,
    )


def _print(out: "Console", table: "EvaluationTable") -> None:
    from imtrans.cli.tables import print_table
    from imtrans.host.words import counted

    _print_skipped(table)
    ceilings = any(one.ceiling is not None for one in table.estimates.values())
    headings = ["metric", "value", "95 % interval", *(["of the targets"] if ceilings else [])]
    rows = [_row(name, one, ceilings) for name, one in table.estimates.items()]
    print_table(out, [*headings, ""], rows)
    for remark in table.remarks:
        say_wrapped(out, f"note: {remark}")
    images = counted(len(table.names), "image")
    rough = "; intervals of so few are rough" if len(table.names) < FEW else ""
    say_wrapped(out, f"{images}{rough}. intervals are of these images, not of other trainings")


def _print_skipped(table: "EvaluationTable") -> None:
    for name, why in table.skipped.items():
        complain(f"skipped: {name}: {why}")


def _row(name: str, one: "Estimate", ceilings: bool) -> list[str]:
    from imtrans.evaluation.columns import SENSES

    interval = "-" if one.low is None or one.high is None else f"{one.low:.4g} to {one.high:.4g}"
    ceiling = "-" if one.ceiling is None else f"{one.ceiling:.4g}"
    sense = SENSES[one.higher_is_better]
    return [name, f"{one.value:.4g}", interval, *([ceiling] if ceilings else []), sense]
