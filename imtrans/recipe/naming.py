"""What a recipe's run is called, and where it is."""

from pathlib import Path

RUNS = Path("runs")  # below the working folder


def run_name(recipe: str) -> str:
    """The name of a recipe's run: that of the recipe's file."""
    return Path(recipe).stem if recipe.endswith(".toml") else Path(recipe).name


def usual_run(recipe: str) -> Path:
    """Where a recipe's run is, unless a person says otherwise."""
    return RUNS / run_name(recipe)


def recipe_and_run(named: str) -> tuple[str, Path, bool]:
    """The recipe to train and where its run is; and whether what was named is a run's folder, whose
    own recipe, perhaps of an earlier version, goes on."""
    own = Path(named) / "recipe.toml"
    if own.is_file():
        return str(own), own.parent, True
    return named, usual_run(named), False
