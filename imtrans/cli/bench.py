import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli import completion
from imtrans.cli.bench_ranks import ranks
from imtrans.cli.common import DeviceOption, SetOption, console, echo, installed, say
from imtrans.cli.groups import CommandGroup
from imtrans.cli.translate_options import PrecisionOption

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imtrans.benchmark.results import Report, Result

bench = typer.Typer(
    cls=CommandGroup,
    help="Measure how fast this machine trains and translates.\n\n"
    "Example: `imtrans bench train --batch 1,4`",
    no_args_is_help=True,
)


@bench.callback()
def _group() -> None:
    # A group of one command is that command, for Typer, unless it has a callback.
    pass


NameArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[RECIPE]",
        help="Its networks, losses and image size; facades by default.",
        autocompletion=completion.recipes,
    ),
]

PairsOption = Annotated[
    str | None,
    typer.Option(metavar="N,...", help="Also measure data sets of so many drawn pairs."),
]


def _one_of(name: str | None, recipe: str | None) -> str:
    if name and recipe and name != recipe:
        raise ImtransError(f"two recipes, '{name}' and '{recipe}'; name one")
    return name or recipe or "facades"


@bench.command()
def train(
    name: NameArgument = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="The same, as an option.")
    ] = None,
    set_: SetOption = None,
    batch: Annotated[
        str, typer.Option(metavar="N,...", help="Batch sizes; stops when memory runs out.")
    ] = "1,4,16",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, plain and fast in turns.")] = 7,
    sizes: Annotated[
        str | None, typer.Option(metavar="PX,...", help="Also measure these image sizes.")
    ] = None,
    pairs: PairsOption = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Also profile a step by operation.")
    ] = False,
    device: DeviceOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead.")
    ] = False,
) -> None:
    """Measure training steps: the plain and the fast engine in turns, then with the data loader.

    Both engines train the same weights on the same batch, which is already on the device, and each
    round times both: the ratio is the median of all rounds, with the smallest and the largest.
    Then the fast engine takes batches from the loader, as in training: of the recipe's pairs, or
    of drawn ones.

    Peak memory is measured in a process of its own. FLOP/s count convolutions and matrix products,
    and are compared with the rate of large matrix products in the same precision.

    `--pairs 10,1000,100000` and `--sizes 128,256,512` measure what large data sets and images cost.

    Example: `imtrans bench train facades --batch 1,4 --profile`
    """
    from functools import partial

    from imtrans.benchmark.results import Report
    from imtrans.benchmark.training import Bench, BenchOptions
    from imtrans.host.devices import choose_device
    from imtrans.host.terminal import Terminal
    from imtrans.recipe import reading as recipes

    chosen = _one_of(name, recipe)
    options = BenchOptions(
        numbers(batch, "--batch"),
        numbers(sizes, "--sizes") if sizes else (),
        numbers(pairs, "--pairs") if pairs else (),
        profile,
        rounds,
    )
    catalog = installed()
    resolved = recipes.read(chosen, set_ or (), catalog)
    notes = Terminal(stderr=True)
    measuring = Bench(resolved, catalog, choose_device(device), options, partial(say, notes))
    with _cleaning_up_on_sigterm():
        report = Report(measuring.setting(chosen))
        (_print_json if as_json else _print_lines)(measuring.run(), report)
    raise typer.Exit(0 if report.batches else 1)


@bench.command()
def translate(
    name: NameArgument = None,
    set_: SetOption = None,
    images: Annotated[int, typer.Option(min=1, help="Pictures to draw and translate.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, all three in turns.")] = 5,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    compile_: Annotated[
        bool, typer.Option("--compile", help="With the network compiled, as for many images.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead.")
    ] = False,
) -> None:
    """Measure translation from folder to folder: a plain loop, `imtrans translate` and the network
    alone, in turns.

    The plain loop reads, translates in fp32 and writes one image after the other, as the published
    test does. The generator is the recipe's with its first weights, and the pictures are drawn: no
    training is needed.

    Example: `imtrans bench translate facades --json`
    """
    import json
    from dataclasses import asdict

    from imtrans.benchmark.translation import TranslationBench
    from imtrans.benchmark.translation_report import translation_lines
    from imtrans.host.devices import choose_device, choose_precision
    from imtrans.recipe import reading as recipes
    from imtrans.task import Task

    chosen, catalog, there = name or "facades", installed(), choose_device(device)
    task = Task(recipes.read(chosen, set_ or (), catalog), catalog)
    arithmetic = choose_precision(precision or "auto", there)
    measuring = TranslationBench(
        task, there, arithmetic, images=images, rounds=rounds, compiled=compile_
    )
    with _cleaning_up_on_sigterm():
        report = measuring.run(chosen)
    if as_json:
        echo(json.dumps(asdict(report), indent=2))
        return
    out = console()
    for line in translation_lines(report):
        say(out, line)


bench.command()(ranks)


@contextmanager
def _cleaning_up_on_sigterm() -> "Iterator[None]":
    """Let SIGTERM, as `timeout` sends it, end the command like Ctrl-C: temporary pairs, caches and
    processes are removed."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)  # not an Exception: the check of an engine catches these

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def numbers(text: str, option: str) -> list[int]:
    """`1,4,16` as sorted whole numbers, each once. Raises ImtransError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise ImtransError(f"{option} '{text}': use whole numbers from 1, as in {option} 1,4,16")
    return sorted({int(word) for word in words})


def _print_json(results: "Iterable[Result]", report: "Report") -> None:
    import json
    from dataclasses import asdict

    for result in results:
        report.add(result)
    echo(json.dumps(asdict(report), indent=2))


def _print_lines(results: "Iterable[Result]", report: "Report") -> None:
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
