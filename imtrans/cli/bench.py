import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.common import DeviceOption, SetOption, console, installed, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imtrans.benchmark.results import Report, Result

bench = typer.Typer(
    help="Measure how fast this machine trains.\n\nExample: `imtrans bench train --batch 1,4`",
    no_args_is_help=True,
)


@bench.callback()
def _group() -> None:
    # A group of one command is that command, for Typer, unless it has a callback.
    pass


@bench.command()
def train(
    recipe: Annotated[
        str, typer.Option(metavar="RECIPE", help="Whose networks, losses and image size.")
    ] = "facades",
    set_: SetOption = None,
    batch: Annotated[
        str, typer.Option(metavar="N,...", help="Batch sizes; it stops where memory is short.")
    ] = "1,4,16",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, plain and fast in turns.")] = 7,
    sizes: Annotated[
        str | None, typer.Option(metavar="PX,...", help="Also the cost of these image sizes.")
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(metavar="N,...", help="Also the cost of data sets of so many drawn pairs."),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Also what takes the time of a step.")
    ] = False,
    device: DeviceOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document instead, on stdout.")
    ] = False,
) -> None:
    """Measure training steps: the plain engine and the fast one in turns, and through the loader.

    Each engine trains the same weights on the same batch, which lies on the device, and each round
    times both: the ratio is the median of the rounds' ratios, with the smallest and the largest.
    Then the fast engine is fed as in training, from the recipe's pairs or from drawn ones.

    Peak memory is that of a process of its own. FLOP/s count convolutions and matrix products, and
    are compared with what large matrix products reach here in the same precision.

    `--pairs 10,1000,100000` and `--sizes 128,256,512` say what large data sets and images cost.

    Example: `imtrans bench train --recipe facades --batch 1,4 --profile`
    """
    from functools import partial

    from imtrans.benchmark.results import Report
    from imtrans.benchmark.training import Bench, Wanted
    from imtrans.host.devices import choose_device
    from imtrans.host.terminal import Terminal
    from imtrans.recipe import reading as recipes

    wanted = Wanted(
        numbers(batch, "--batch"),
        numbers(sizes, "--sizes") if sizes else (),
        numbers(pairs, "--pairs") if pairs else (),
        profile,
        rounds,
    )
    catalog = installed()
    resolved = recipes.read(recipe, set_ or (), catalog)
    notes = Terminal(highlight=False, stderr=True)
    measuring = Bench(resolved, catalog, choose_device(device), wanted, partial(say, notes))
    with _leaving_nothing_behind():
        report = Report(measuring.setting(recipe))
        (_document if as_json else _tell)(measuring.run(), report)
    raise typer.Exit(0 if report.batches else 1)


@contextmanager
def _leaving_nothing_behind() -> "Iterator[None]":
    """SIGTERM, as `timeout` sends it, ends this like Ctrl-C: what was drawn, cached and started for
    the measurements goes with it."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)  # no Exception, which an engine on trial may raise

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def numbers(text: str, option: str) -> list[int]:
    """`1,4,16` as whole numbers, in rising order. Raises ImtransError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise ImtransError(f"{option} '{text}': whole numbers from 1 on, as in {option} 1,4,16")
    return sorted({int(word) for word in words})


def _document(results: "Iterable[Result]", report: "Report") -> None:
    import json
    from dataclasses import asdict

    for result in results:
        report.add(result)
    typer.echo(json.dumps(asdict(report), indent=2))


def _tell(results: "Iterable[Result]", report: "Report") -> None:
    from imtrans.benchmark.wording import heading, lines, opening

    out, before = console(), None
    for line in opening(report.setting):
        say(out, line)
    for result in results:
        report.add(result)
        if type(result) is not before and (head := heading(result)):
            say(out, f"\n{head}")
        before = type(result)
        for line in lines(result):
            say(out, line)
