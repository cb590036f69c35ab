from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli import completion
from imtrans.cli.common import (
    DeviceOption,
    a_path,
    console,
    echo,
    installed,
    not_empty,
    progress,
    say,
    say_wrapped,
)

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.evaluation.comparison import Comparison, PairedDifference


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            parser=a_path,
            metavar="RUN...",
            help="Two or more: runs, or folders that `imtrans evaluate` wrote.",
            autocompletion=completion.runs,
        ),
    ],
    split: Annotated[
        str,
        typer.Option(parser=not_empty, metavar="SPLIT", help="Whose evaluations are compared."),
    ] = "validation",
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", parser=a_path, metavar="FILE", help="Write a page with pictures and curves."
        ),
    ] = None,
    device: DeviceOption = None,
) -> None:
    """Say which run is better, and how certain that is: differences on the same images, each with
    its 95 % interval, from the first run.

    Runs that differ by their seed alone are taken together; the interval then allows for other
    seeds too. A run that was not evaluated yet is evaluated first, with the usual metrics.

    Example: `imtrans compare runs/one runs/other --html comparison.html`
    """
    from imtrans.evaluation.comparison import compared
    from imtrans.evaluation.sides import sides_of

    if html:
        _check(html)
    out = console()
    sides = sides_of(
        runs,
        installed(),
        split=split,
        device=device,
        say=(lambda line: echo(line, err=True)) if json else partial(say_wrapped, out),
        bar=partial(progress, out),
    )
    comparison = compared(sides)
    if json:
        echo(_document(comparison))
    else:
        _print(out, comparison)
    if html:
        from imtrans.reporting.comparing.page import write_comparison

        written = write_comparison(comparison, html)
        echo(f"page: {written.path}", err=json)


def _check(file: Path) -> None:
    """Refuse a file that cannot be written before anything is evaluated."""
    if file.is_dir():
        raise ImtransError(f"--html {file}: is a folder; name a file")
    if not file.parent.is_dir():
        raise ImtransError(f"--html {file}: there is no folder {file.parent}; make it first")


def _document(comparison: "Comparison") -> str:
    from dataclasses import asdict
    from json import dumps

    from imtrans.evaluation.verdict import cautions, verdicts

    document = {
        "sides": [
            {"name": side.name, "evaluations": [str(one.folder) for one in side.evaluations]}
            for side in comparison.sides
        ],
        "images": list(comparison.images),
        "values": comparison.values,
        "differences": {
            name: [asdict(one) | {"better": one.better} for one in row]
            for name, row in comparison.differences.items()
        },
        "verdicts": list(verdicts(comparison)),
        "cautions": list(cautions(comparison)),
    }
    return dumps(document, indent=1, allow_nan=False)


def _print(out: "Console", comparison: "Comparison") -> None:
    from imtrans.cli.tables import print_table
    from imtrans.evaluation.verdict import cautions, seeds_of, verdict_of, verdicts

    first, *others = comparison.sides
    for index, side in enumerate(others):
        names = [_named(one.name, seeds_of(one)) for one in (first, side)]
        headings = ["", *names, "difference", "95 % interval", ""]
        rows = []
        for name, values in comparison.values.items():
            one = comparison.differences[name][index]
            rows.append([*_row(name, values[0], values[index + 1], one), verdict_of(one)])
        print_table(out, headings, rows)
        say(out, "")
    for line in verdicts(comparison):
        say_wrapped(out, line)
    for line in cautions(comparison):
        say_wrapped(out, f"note: {line}")


def _named(name: str, seeds: str) -> str:
    return f"{name} ({seeds})" if seeds else name


def _row(name: str, first: float, other: float, difference: "PairedDifference") -> list[str]:
    low, high = difference.low, difference.high
    interval = "-" if low is None or high is None else f"{low:+.4g} to {high:+.4g}"
    values = f"{first:.4g}", f"{other:.4g}", f"{difference.value:+.4g}"
    return [name, *values, interval]
