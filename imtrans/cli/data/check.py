import time
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from imtrans.api.addresses import is_address, without_secrets
from imtrans.api.errors import ImtransError, did_you_mean
from imtrans.cli import completion
from imtrans.cli.common import SetOption, console, echo, installed, not_empty, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from imtrans.api.pictures import Pair
    from imtrans.checking.finding import Finding
    from imtrans.cli.data.findings import Summary
    from imtrans.recipe.catalog import Catalog
    from imtrans.recipe.schema import DataTable, Recipe

# The other tables that a recipe must have; nothing is built from them.
NETWORKS = {
    "generator": {"name": "unet_256"},
    "discriminator": {"name": "patch_70"},
    "adversarial": {"name": "vanilla"},
    "train": {"epochs": 1},
}

WhatArgument = Annotated[
    str,
    typer.Argument(
        parser=not_empty,
        metavar="RECIPE|DIR",
        help="A recipe, or a folder of pairs.",
        autocompletion=completion.recipes,
    ),
]


def check(
    what: WhatArgument,
    set_: SetOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document with every row instead.")
    ] = False,
) -> None:
    """Open every picture, in parallel, and report what would spoil a training, with file names.

    Errors, with which training fails or reports what is not true: unreadable files, files without
    a partner, sizes, bit depths or channels that do not fit, transparency, values outside the
    range, a side of one colour, pairs in both training and validation, pairs that look misaligned,
    swapped, mirrored, turned or inverted, sets whose sources and targets do not belong together,
    one file as source and target, single pictures that would be cut into halves.

    Warnings: single pairs whose sides do not belong together or are the same picture; pictures of
    one colour, cut off, dark, grey, or with channels in another order, unlike the others; copies
    and near copies, also turned, recoloured or cut; one source with several targets, EXIF rotation
    of one side only, a few files of another kind, colours outside a palette.

    Exit code 1 if there are errors. The layout of a folder without a recipe is guessed. Unpaired
    pictures are checked one by one.

    Example: `imtrans data check recipes/facades.toml`
    """
    from imtrans.cli.data import findings as report
    from imtrans.cli.findings import any_error
    from imtrans.host.terminal import Terminal
    from imtrans.recipe import reading as recipes

    started = time.monotonic()
    catalog = installed()
    guessed = Path(what).is_dir()
    if guessed:
        resolved, found, origin = _of_folder(what, set_ or (), catalog)
    else:
        _refuse_missing(what)
        resolved, origin = recipes.read(what, set_ or (), catalog), what
        found = _find(resolved, catalog)
    summary = _summary(found, origin)
    if guessed and resolved.data.derive:  # a folder of single images, which a recipe makes pairs of
        summary.unit, summary.note = "photographs", " (sources would be derived from them)"
    out = Terminal(stderr=True) if as_json else console()
    if not as_json:
        say(out, summary.opening)
    findings = _checked(resolved.data, found, guessed, out)
    summary.seconds = time.monotonic() - started
    if as_json:
        echo(report.document(summary, findings))
    else:
        report.print_report(out, summary, findings)
        if guessed and found.paired:
            say(out, f"`imtrans init {quote(what)}` writes a recipe for it")
    raise typer.Exit(1 if any_error(findings) else 0)


def _summary(found: "FoundPairs", origin: str) -> "Summary":
    from imtrans.checking.data.run_checks import what_is_read
    from imtrans.cli.data.findings import Summary

    pairs = what_is_read(found.training, found.validation, paired=found.paired)
    unit = "pairs" if found.paired else "unpaired pictures"
    return Summary(origin, len(pairs.training), len(pairs.validation), unit)


def _refuse_missing(what: str) -> None:
    """Raise ImtransError for what is neither a folder nor a recipe: either may have been meant."""
    from imtrans.recipe.reading import available

    known = available()
    if is_address(what):
        raise ImtransError(
            f"{without_secrets(what)}: name a recipe; in it data.root is this address, and "
            'data.layout is "shards"'
        )
    if what.endswith(".toml") or what in known:
        return
    path = Path(what)
    beside = path.parent if path.parent.is_dir() else Path()
    folders = [str(one) for one in sorted(beside.iterdir()) if one.is_dir()]
    near = did_you_mean(what, [*folders, *known]) or "; `imtrans recipes` lists the recipes"
    raise ImtransError(f"{what}: no such folder, and no recipe of that name{near}")


class FoundPairs(NamedTuple):
    """What a layout finds."""

    training: "Sequence[Pair]"
    validation: "Sequence[Pair]"
    missing: list[tuple[str, str]]  # files without a partner, and what they miss
    paired: bool  # whether a source is trained on with its own target


def _checked(
    data: "DataTable", found: FoundPairs, guessed: bool, out: "Console"
) -> "list[Finding]":
    """The findings of all checks, with a progress bar meanwhile."""
    from imtrans.checking.data.run_checks import pairs_to_read, run_checks
    from imtrans.host.terminal import progress

    training, validation, paired = found.training, found.validation, found.paired
    total = pairs_to_read(training, validation, data, paired=paired)
    with progress(out, "opening pairs", total) as on_pair:
        return run_checks(
            training,
            validation,
            data,
            paired=paired,
            missing=found.missing,
            guessed=guessed,
            workers=data.workers,
            on_pair=on_pair,
        )


def _find(recipe: "Recipe", catalog: "Catalog") -> FoundPairs:
    from imtrans.api.layouts import MissingPartners
    from imtrans.checking.data.collecting_orphans import CollectingOrphans
    from imtrans.data.pairs import split_pairs
    from imtrans.recipe.building import built
    from imtrans.task import Task

    # Not the task's layout, which must fit the method: a folder without a recipe has none.
    table = recipe.data.layout
    stored = built(catalog.layouts[table.name], table, recipe.data.root)
    layout = CollectingOrphans(stored, recipe.data.train)
    paired = layout.paired and Task(recipe, catalog).method_class.paired
    try:
        training, validation = split_pairs(
            layout, recipe.data, recipe.seed, layouts=catalog.layouts
        )
    except MissingPartners:
        training, validation = [], []
    return FoundPairs(training, validation, layout.orphans, paired)


def _of_folder(
    folder: str, overrides: "Sequence[str]", catalog: "Catalog"
) -> "tuple[Recipe, FoundPairs, str]":
    """A recipe guessed for the folder, its pairs, and a description of the guess."""
    from imtrans.checking.data.as_stored import as_stored, with_sides
    from imtrans.checking.data.guess import guess
    from imtrans.recipe import reading as recipes
    from imtrans.recipe import toml

    guessed = guess(folder)
    table = guessed.table
    if any(override.startswith("data.layout") for override in overrides):
        table = {"root": folder}
    text = toml.dumps({"data": table, **NETWORKS})
    recipe = recipes.parse(text, folder, overrides, catalog)
    found = _find(recipe, catalog)
    sides = {
        side: keys
        for side, keys in as_stored(found.training, recipe.data).items()
        if not any(override.startswith(f"data.{side}") for override in overrides)
    }
    recipe = recipe.model_copy(update={"data": with_sides(recipe.data, sides)})
    reason = "; ".join(filter(None, (guessed.reason, guessed.otherwise)))
    origin = f"{folder}, guessed layout '{recipe.data.layout.name}' ({reason})"
    return recipe, found, origin
