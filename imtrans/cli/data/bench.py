from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.cli.common import (
    DeviceOption,
    RecipeArgument,
    SetOption,
    console,
    installed,
    progress,
    say,
)

if TYPE_CHECKING:
    from imtrans.benchmark.loading import Stage

STEPS = (300.0, 30.0, 3.0)  # ms: a small CPU, a good one or an old GPU, a fast GPU


def bench(
    recipe: RecipeArgument,
    set_: SetOption = None,
    step: Annotated[
        list[float] | None,
        typer.Option(metavar="MS", min=0.001, help="How long a training step takes, in ms."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="How long each stage is measured.")] = 3,
    device: DeviceOption = None,
) -> None:
    """Measure how fast pairs are loaded, stage by stage, and what a training step needs.

    The cache is built, if the recipe allows one. `imtrans bench train` measures the step.

    Example: `imtrans data bench recipes/facades.toml --step 300`
    """
    from imtrans.benchmark.loading import stages
    from imtrans.data.cache.obtain import PAYS, obtain
    from imtrans.data.workers import worker_count
    from imtrans.host.devices import choose_device
    from imtrans.recipe import reading as recipes
    from imtrans.task import Task

    catalog = installed()
    resolved = recipes.read(recipe, set_ or (), catalog)
    task, out = Task(resolved, catalog), console()
    pairs, sampler = task.pairs, task.sampler
    report, bar = partial(say, out), partial(progress, out)
    sampler = sampler.reading(obtain(sampler, pairs, passes=PAYS, say=report, bar=bar))
    batch, workers = resolved.train.batch_size, resolved.data.workers
    count = worker_count(workers, choose_device(device), quick=sampler.quick)
    found = {}
    for stage in stages(pairs, sampler, batch_size=batch, workers=count, seconds=seconds):
        found[stage.name] = stage
        where = f"{stage.workers} workers" if stage.workers else "one core"
        report(f"{stage.pairs_per_second:>9,.0f} pairs/s  {where:<10} {stage.name}")
    if stage.grown is not None:
        report(f"memory grew by {stage.grown / 1e6:.1f} MB over these batches")
    for milliseconds in step or STEPS:
        report(_needs(milliseconds, batch, found))


def _needs(milliseconds: float, batch: int, found: "dict[str, Stage]") -> str:
    from imtrans.benchmark.loading import CACHE, FILES

    needed = batch / milliseconds * 1000
    cores = [
        f"{needed / found[name].pairs_per_second:.2g} cores {source}"
        for name, source in ((FILES, "from files"), (CACHE, "from the cache"))
        if name in found
    ]
    step = f"a step of {milliseconds:g} ms, batch {batch}"
    return f"{step}: {needed:,.0f} pairs/s, which is {', '.join(cores)}"
