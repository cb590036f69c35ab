"""A trained run or checkpoint, evaluated on pairs that it was not trained on."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from imtrans.api.errors import ImtransError, quoted
from imtrans.api.pictures import Pair
from imtrans.api.samplers import NFE, nfe_of
from imtrans.evaluation import files
from imtrans.evaluation.choice import MetricChoice
from imtrans.evaluation.diversity import SAMPLES, with_diversity
from imtrans.evaluation.labels import labels_note, palette_of_targets, scorer_note, scorer_of
from imtrans.evaluation.measured_run import MeasuredRun
from imtrans.evaluation.shared import Work, for_shares, measured_together
from imtrans.evaluation.wanted import Bar, Gathered, Result, Say, Wanted, alone
from imtrans.host.words import counted
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog, catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs.header import Header
from imtrans.runs.hub.pull import local
from imtrans.runs.listing import find_run, is_run
from imtrans.runs.sealed import SUM
from imtrans.task import Task
from imtrans.translation.loading import header_to_load, load
from imtrans.translation.sampling import Sampling
from imtrans.translation.translator import Translator

EVALUATION, VALIDATION, TRAINING = "evaluation", "validation", "train"


def evaluate_run(
    place: Path,
    wanted: Wanted,
    installed: Catalog,
    *,
    output: Path | None = None,
    say: Say,
    bar: Bar,
    gathered: Gathered = alone,
) -> Result:
    """Measure a run or a checkpoint, and write what was found: below the run, or in `output`; of a
    share of the pairs, a part of it.

    Raises ImtransError for whatever the user can mend.
    """
    header = header_to_load(place, wanted.best, "generator")
    choice = MetricChoice(installed, wanted.metrics)
    settings = choice.set(wanted.settings)
    if wanted.max_pixels:
        settings.append(f"data.max_pixels={wanted.max_pixels}")
    task = Task(_recipe(header, settings, installed), installed)
    pairs, split = _pairs(task, wanted.split)
    run = run_of(place, header)
    folder = output or (evaluation_folder(run, split) if run else None)
    if folder is None:
        raise ImtransError(f"{place}: belongs to no run here; name an --output folder")
    if output:
        files.check_place(output)
    translator = _loaded(header, wanted, say)  # a run in training may soon remove it
    _check_channels(task, translator)
    seeds = wanted.sampling.seeds(translator)
    for note in _offer(choice, task, pairs, wanted.scorer):
        say(note)
    metrics = choice.built(say, paired=task.has_targets)
    metrics = for_shares(metrics, wanted.share, say, asked=choice.asked)
    used = {name: choice.tables[name] for name in metrics}
    if wanted.sampling.samples is not None:
        metrics, used = with_diversity(metrics, used, len(seeds))
    facts = _facts(header, run, split, task) | {"set": settings}
    facts |= _drawn(translator, wanted.sampling)
    measured = MeasuredRun(task, translator, pairs, metrics, used, settings, facts, seeds)
    work = Work(
        folder,
        [pair.name for pair in pairs],
        metrics,
        partial(measured.measure, wanted.share.picked(pairs), bar),
        partial(measured.write, folder),
        partial(measured.depends_on, header.recipe_text),
    )
    return replace(measured_together(work, wanted.share, gathered), run=run)


def evaluate(
    run: str | Path,
    *,
    best: bool = False,
    split: str | None = None,
    metrics: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    scorer: str | Path | None = None,
    nfe: int | None = None,
    dropout_seed: int | None = None,
    samples: int | None = None,
    output: str | Path | None = None,
    device: str | None = None,
) -> Result:
    """Measure a run or a checkpoint on its validation pairs, or on another `split` of its data, as
    `imtrans evaluate` does, and write what was found below the run, or in `output`.

    `metrics` are measured instead of the usual ones. `options` are those of metrics, and keys of
    the recipe: {"fid.weights": "download", "data.root": "elsewhere"}. `nfe` and
    `dropout_seed` are those of `imtrans.load`. With `samples`, of a translator that draws random
    numbers, each source is translated that often, and the `diversity` of the outputs is measured
    too. Raises ImtransError for whatever its caller can mend.

    >>> import imtrans
    >>> result = imtrans.evaluate("my-task")
    >>> l1 = result.table.estimates["l1"]
    >>> 0 < l1.value < 2
    True
    >>> l1.low is None  # of fewer than five images it has no interval, which is low to high
    True
    >>> len(result.table.of_each["ssim"])  # a value of each image
    3
    """
    settings = [f"{key}={json.dumps(value)}" for key, value in (options or {}).items()]
    scorer = Path(scorer) if scorer else None
    sampling = Sampling(nfe, dropout_seed, samples)
    wanted = Wanted(metrics, settings, split, best, scorer, device, sampling=sampling)
    place = local(run)
    return evaluate_run(
        find_run(place) or place,
        wanted,
        catalog(),
        output=Path(output) if output else None,
        say=lambda _: None,
        bar=lambda *_: nullcontext(lambda: None),
    )


def _recipe(header: Header, settings: Sequence[str], installed: Catalog) -> Recipe:
    origin = f"the recipe in {header.path}"
    return recipes.parse(
        header.recipe_text, origin, settings, installed, old=True, translator_only=True
    )


def _pairs(task: Task, split: str | None) -> tuple[Sequence[Pair], str]:
    """The pairs to measure, and what they are called. Raises ImtransError when there are none."""
    if split is None:
        if not task.validation_pairs:
            raise ImtransError(
                f"{task.recipe.data.root}: there are no validation pairs. name a split that is "
                "there, as in --split test, or data.validation = 0.1 in the recipe"
            )
        return task.validation_pairs, VALIDATION
    data = task.recipe.data
    if split == data.train:
        return task.pairs, TRAINING
    other = data.model_copy(update={"validation": split})
    return Task(
        task.recipe.model_copy(update={"data": other}), task.catalog
    ).validation_pairs, split


def evaluation_folder(run: Path, split: str) -> Path:
    """Where the evaluation of a split is. One that may be a path has its sum beside it: what is
    left of `../test` and `test` would be the same."""
    name = re.sub(r"[^\w.-]+", "-", split).strip(".-")
    if name != split:
        name = f"{name[-64:] or 'pairs'}-{crc32(os.fsencode(split)):08x}"
    return run / EVALUATION / name


def run_of(place: Path, header: Header) -> Path | None:
    """The run that a checkpoint belongs to, if it is one's."""
    folders = [place, *header.path.resolve().parents[:3]]
    return next((folder for folder in folders if is_run(folder)), None)


def _check_channels(task: Task, translator: Translator) -> None:
    """Raise ImtransError where settings make pictures of channels that were not trained on."""
    mine, trained = task.encoding, translator.encoding
    for side in ("source", "target"):
        now, then = (getattr(one, f"{side}_channels") for one in (mine, trained))
        if now != then:
            raise ImtransError(
                f"the generator was trained with {counted(then, 'channel')} in the {side}, and "
                f"--set makes it {now}; leave data.{side} as it was"
            )


def _offer(
    choice: MetricChoice, task: Task, pairs: Sequence[Pair], scorer: Path | None
) -> Iterator[str]:
    """Offer the usual metrics, and those that fit label maps; yields what is to be said of it."""
    tables = task.recipe.validation.metrics
    choice.usual(tables, paired=task.has_targets)
    if missing := [one.name for one in tables if one.name not in choice.catalog.metrics]:
        yield f"the recipe's {quoted(missing)} is not measured: no plugin here has such a metric"
    if not task.has_targets:
        return
    if task.recipe.data.target.classes:
        choice.of_labels(None)
    elif (palette := palette_of_targets(task, pairs)) and choice.of_labels(palette):
        yield labels_note(len(palette))
    if (found := scorer or scorer_of(task.recipe)) and choice.of_scorer(str(found)):
        yield scorer_note(found, task.recipe)


def _facts(header: Header, run: Path | None, split: str, task: Task) -> dict[str, Any]:
    return {
        "run": run.name if run else None,
        "title": task.recipe.title,
        "checkpoint": header.path.parent.name,
        "step": header.step,
        "weights": header.facts.get(SUM),
        "split": split,
    }


def _loaded(header: Header, wanted: Wanted, say: Say) -> Translator:
    how = wanted.sampling
    translator = load(header.path, device=wanted.device, nfe=how.nfe, dropout_seed=how.seed)
    if how.seed is not None and not translator.samples:
        say("note: this network has no dropout; --dropout-seed changes nothing")
    return translator


def _drawn(translator: Translator, how: Sampling) -> dict[str, Any]:
    """How outputs were drawn, where they were."""
    facts = {NFE: nfe_of(translator.module), "dropout_seed": how.seed, SAMPLES: how.samples}
    return {name: number for name, number in facts.items() if number is not None}
