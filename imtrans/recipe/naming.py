"""What a recipe's run is called."""

from pathlib import Path


def run_name(recipe: str) -> str:
    """The name of a recipe's run: that of the recipe's file."""
    return Path(recipe).stem if recipe.endswith(".toml") else Path(recipe).name
