"""From a recipe to a training: everything it needs, in the order in which it can fail."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from imtrans.api.errors import ImtransError, some
from imtrans.api.pictures import Pair
from imtrans.checking.data.whole import quick
from imtrans.data.cache.obtain import obtain
from imtrans.data.loader import Batches
from imtrans.data.resident import Resident, fits
from imtrans.data.samples import Sampler
from imtrans.data.workers import worker_count
from imtrans.host.devices import choose_device, computing
from imtrans.host.terminal import Terminal, progress, say
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import DataTable, Recipe
from imtrans.runs.run_dir import RunDir, alone_in
from imtrans.runs.state import take_up
from imtrans.task import assemble, build_sampler, find_pairs
from imtrans.training.loop import Outcome, Sitting
from imtrans.training.preview import Preview
from imtrans.training.step.engine import choose_engine
from imtrans.training.step.trial import tried_model
from imtrans.training.validation import Validation
from imtrans.training.warm_start import start_from
from imtrans.translation.translator import Translator

SHOWN = 3  # files of a finding


def fit(
    recipe: Recipe,
    catalog: Catalog,
    run_dir: Path,
    *,
    device: str | None = None,
    fresh: bool = False,
    console: Console | None = None,
) -> Outcome:
    """Train a recipe in its run directory, from its newest checkpoint on if there is one.

    Ends when all epochs are done, or after the step in which SIGINT or SIGTERM arrived, with a
    checkpoint either way. Raises ImtransError for whatever the user can mend.
    """
    with alone_in(run_dir), computing(deterministic=recipe.train.deterministic):
        return _fit(recipe, catalog, run_dir, device, fresh, console or Terminal())


def _fit(
    recipe: Recipe,
    catalog: Catalog,
    run_dir: Path,
    device: str | None,
    fresh: bool,
    shown: Console,
) -> Outcome:
    tell = partial(say, shown)
    pairs, held_out = find_pairs(recipe, catalog)
    look_first(pairs, held_out, recipe.data, tell)
    chosen = choose_device(device)
    per_epoch = -(-len(pairs) // (recipe.train.batch_size * recipe.train.accumulate))
    engine = choose_engine(recipe.train, chosen, recipe.train.epochs * per_epoch)
    parts = assemble(recipe, catalog, chosen)
    run = RunDir(run_dir, recipe, fresh=fresh)
    run.tidy()
    sizes = f"{_size(parts.generator)} + {_size(parts.discriminator)} parameters"
    tell(f"{len(pairs)} pairs, {len(held_out)} held out; {sizes}; {chosen}, {engine}; {run_dir}")

    if recipe.train.init_from and not run.learned():
        start_from(recipe.train.init_from, parts, tell)
    model = tried_model(recipe, parts, engine, tell)
    position = take_up(run, model, per_epoch, tell)
    run.begin(position.step)
    sampler = build_sampler(recipe, catalog)
    passes = recipe.train.epochs - position.epoch + 1
    bar = partial(progress, shown)
    sampler = sampler.reading(obtain(sampler, pairs, passes=passes, say=tell, bar=bar))
    precision = model.engine.precision
    translator = Translator(model.translating, parts.encoding, device=chosen, precision=precision)
    return Sitting(
        recipe,
        catalog,
        model,
        pairs,
        _loading(recipe, pairs, sampler, chosen, tell),
        Preview(held_out or pairs, sampler, translator),
        Validation(held_out, sampler, translator, recipe.train.validate_pairs),
        run,
        position,
        shown,
    ).run()


def look_first(
    pairs: Sequence[Pair], held_out: Sequence[Pair], data: DataTable, tell: Callable[[str], None]
) -> None:
    """Tell what the headers of the files tell; raise ImtransError for what would fail."""
    wrong = []
    for finding in quick(pairs, held_out, data):
        rows = some((f"{row.name}: {row.detail}" for row in finding.rows), SHOWN)
        all_of_them = "; `imtrans data check` lists all" if len(finding.rows) > SHOWN else ""
        line = f"{finding.title}: {rows}. {finding.remedy}{all_of_them}"
        if finding.severity == "error":
            wrong.append(line)
        else:
            tell(f"{finding.severity}: {line}")
    if wrong:
        raise ImtransError("\n".join(wrong))


def _loading(
    recipe: Recipe,
    pairs: Sequence[Pair],
    sampler: Sampler,
    device: torch.device,
    tell: Callable[[str], None],
) -> Batches | Resident:
    """What feeds the device: its own memory where the pairs fit, else processes, or none."""
    size = recipe.train.batch_size * recipe.train.accumulate
    if fits(sampler, device):
        tell(f"the pairs lie on {device} as a whole")
        return Resident(sampler, size, device)
    workers = worker_count(recipe.data.workers, device, quick=sampler.quick)
    return Batches(pairs, sampler, size, workers=workers, pin=device.type == "cuda")


def _size(network: torch.nn.Module) -> str:
    return f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f} M"
