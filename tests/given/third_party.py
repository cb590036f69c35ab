"""Plugins that the tests bring without installing them."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points

import pytest

from imtrans.recipe import catalog as catalog_module
from imtrans.recipe.catalog import GROUP, catalog


@contextmanager
def with_plugin(module: str) -> Iterator[None]:
    """The catalog has what a module registers, too."""
    points = [*entry_points(group=GROUP), EntryPoint(name=module, value=module, group=GROUP)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_module, "entry_points", lambda group: points)
        catalog.cache_clear()
        yield
    catalog.cache_clear()
