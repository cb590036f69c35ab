"""Why a distribution has nothing to test here."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution

from imtrans.recipe.catalog import GROUP, catalog
from imtrans.testing.promises import brought_by


def missing(name: str) -> str | None:
    """What to do so that what a distribution brings can be tested; None if it brings anything."""
    if next(brought_by(catalog(), [name]), None):
        return None
    try:
        points = distribution(name).entry_points
    except PackageNotFoundError:
        return f"'{name}' is not installed here: run `pip install -e .` in its folder"
    return _nothing_registered(name, points)


def _nothing_registered(name: str, points: Iterable[EntryPoint]) -> str:
    own = [point for point in points if point.group == GROUP]
    failed = [line for line in catalog().broken if any(p.value in line for p in own)]
    if failed:
        return failed[0]
    return (
        f"'{name}' registers nothing: it needs an entry point in its pyproject.toml, "
        f'[project.entry-points.{GROUP}] x = "its_module", and `pip install -e .` after that'
    )
