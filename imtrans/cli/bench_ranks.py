from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.cli import completion
from imtrans.cli.common import DeviceOption, SetOption, console, echo, installed, say

if TYPE_CHECKING:
    from imtrans.benchmark.ranks import RanksReport
    from imtrans.host.group import Group


def ranks(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE]",
            help="Its networks, losses and image size; facades by default.",
            autocompletion=completion.recipes,
        ),
    ] = None,
    set_: SetOption = None,
    batch: Annotated[int, typer.Option(min=1, help="Images of a step on each rank.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, all variants in turns.")] = 5,
    step_ms: Annotated[
        float | None,
        typer.Option(min=0.1, help="Calculate for steps of so many ms instead of those measured."),
    ] = None,
    device: DeviceOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead.")
    ] = False,
) -> None:
    """Measure what training on several devices gains: `torchrun --nproc-per-node 2 -m imtrans bench
    ranks`. By itself, it measures one, and calculates what up to 64 would do.

    One rank alone, all at once without averaging, and all together as they train are timed in
    turns. The calculation is of a ring all-reduce over links of given rates.

    Example: `imtrans bench ranks facades --batch 4 --step-ms 20`
    """
    import json
    from dataclasses import asdict

    from imtrans.benchmark.ranks import ranks_lines
    from imtrans.host.group import joined

    with joined() as group:
        report = _measured(name or "facades", set_, batch, rounds, device, group)
    if not group.leads:
        return
    if as_json:
        echo(json.dumps(asdict(report), indent=2))
        return
    out = console()
    for line in ranks_lines(report, step_ms / 1e3 if step_ms else None):
        say(out, line)


def _measured(
    name: str,
    set_: list[str] | None,
    batch: int,
    rounds: int,
    device: str | None,
    group: "Group",
) -> "RanksReport":
    from imtrans.benchmark.ranks import RanksBench
    from imtrans.benchmark.subject import resized
    from imtrans.host.devices import choose_device
    from imtrans.recipe import reading as recipes
    from imtrans.task import Task

    def bench() -> RanksBench:
        catalog = installed(quiet=not group.leads)
        recipe = resized(recipes.read(name, set_ or (), catalog), batch=batch)
        say = (lambda line: echo(line, err=True)) if group.leads else (lambda line: None)
        return RanksBench(Task(recipe, catalog), group, choose_device(device, group.rank), say)

    return group.together(bench).run(name, rounds)
