import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from imtrans.cli.common import SetOption, console, installed, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imtrans.api.pictures import Pair
    from imtrans.recipe.catalog import Catalog
    from imtrans.recipe.schema import Recipe

# What else a recipe needs; nothing is built of it.
NETWORKS = {
    "generator": {"name": "unet_256"},
    "discriminator": {"name": "patch_70"},
    "adversarial": {"name": "vanilla"},
    "train": {"epochs": 1},
}


def check(
    what: Annotated[
        str, typer.Argument(metavar="RECIPE|DIR", help="A recipe, or a folder of pairs.")
    ],
    set_: SetOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document with every row, on stdout.")
    ] = False,
) -> None:
    """Open every picture, in parallel, and say what would spoil a training, with file names.

    Errors: it would fail, or report what is not true. Unreadable files, files without partner,
    sizes, bit depths or channels that do not fit, transparency, values outside the range, pairs
    that are trained on and held out, pairs that look misaligned or swapped against the rest.

    Warnings: pictures of one colour, copies and near copies, one source with several targets, EXIF
    rotation on one side only, a few files of another kind, colours outside a palette.

    Exit code 1 if there are errors. Of a folder the layout is guessed. Of unpaired pictures each is
    checked by itself.

    Example: `imtrans data check recipes/facades.toml`
    """
    from imtrans.checking.data import whole
    from imtrans.cli.data import findings as report
    from imtrans.host.terminal import Terminal, progress
    from imtrans.recipe import reading as recipes

    started = time.monotonic()
    catalog = installed()
    guessed = Path(what).is_dir()
    if guessed:
        resolved, found, origin = _of_folder(what, set_ or (), catalog)
    else:
        resolved, origin = recipes.read(what, set_ or (), catalog), what
        found = _find(resolved, catalog)
    training, held_out, paired = found.training, found.held_out, found.paired
    both = whole.opened(training, held_out, paired)
    unit = "pairs" if paired else "unpaired pictures"
    summary = report.Summary(origin, len(both.training), len(both.held_out), unit)
    out = Terminal(stderr=True) if as_json else console()
    if not as_json:
        say(out, summary.opening)
    with progress(
        out, "opening pairs", whole.steps(training, held_out, resolved.data, paired=paired)
    ) as looked:
        findings = whole.check(
            training,
            held_out,
            resolved.data,
            paired=paired,
            missing=found.missing,
            guessed=guessed,
            workers=resolved.data.workers,
            looked=looked,
        )
    summary.seconds = time.monotonic() - started
    if as_json:
        typer.echo(report.document(summary, findings))
    else:
        report.tell(out, summary, findings)
    raise typer.Exit(1 if any(finding.severity == "error" for finding in findings) else 0)


class Found(NamedTuple):
    """What a layout finds."""

    training: "Sequence[Pair]"
    held_out: "Sequence[Pair]"
    missing: list[tuple[str, str]]  # files without a partner, and what they miss
    paired: bool  # whether sides belong together


def _find(recipe: "Recipe", catalog: "Catalog") -> Found:
    from imtrans.api.layouts import MissingPartners
    from imtrans.checking.data.forgiving import Forgiving
    from imtrans.data.pairs import split_pairs
    from imtrans.recipe.building import built
    from imtrans.task import Task

    # Not the task's own layout, which must fit the method: of a folder there is none.
    table = recipe.data.layout
    stored = built(catalog.layouts[table.name], table, recipe.data.root)
    layout = Forgiving(stored, recipe.data.train)
    paired = layout.paired and Task(recipe, catalog).method_class.paired
    try:
        training, held_out = split_pairs(layout, recipe.data, recipe.seed, layouts=catalog.layouts)
    except MissingPartners:
        training, held_out = [], []
    return Found(training, held_out, layout.orphans, paired)


def _of_folder(
    folder: str, overrides: "Sequence[str]", catalog: "Catalog"
) -> "tuple[Recipe, Found, str]":
    """A folder as the recipe that it might belong to, its pairs, and what was guessed."""
    from imtrans.checking.data.guess import as_stored, guess, with_sides
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
    origin = f"{folder}, taken for layout '{recipe.data.layout.name}' ({guessed.because})"
    return recipe, found, origin
