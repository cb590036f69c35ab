"""The promises of each role, and how one is checked."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module

from imtrans.api.errors import ImtransError
from imtrans.contracts.broken import BrokenContract
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.registry import Component
from imtrans.testing.case import Case, NotChecked

Promise = Callable[[Case], None]

MODULES = {
    "generator": "generators",
    "loss": "losses",
}


def promises_of(role: str) -> tuple[Promise, ...]:
    if role not in MODULES:
        return ()
    found: tuple[Promise, ...] = import_module(f"imtrans.testing.{MODULES[role]}").PROMISES
    return found


def words(promise: Promise) -> str:
    """`smallest where equal`: the name of a promise as a sentence."""
    return promise.__name__.replace("_", " ")


def all_promises(
    catalog: Catalog, distributions: Iterable[str]
) -> Iterator[tuple[Component, Promise]]:
    """Every component that comes from one of these distributions, with every promise of its role."""
    wanted = set(map(normal, distributions))
    for registry in catalog.registries.values():
        for component in registry:
            if normal(component.plugin.distribution) in wanted:
                for promise in promises_of(component.role):
                    yield component, promise


def normal(distribution: str) -> str:
    """Imtrans_Gradient and imtrans-gradient are one distribution."""
    return distribution.lower().replace("_", "-").replace(".", "-")


def check(promise: Promise, case: Case) -> None:
    """Raise BrokenContract unless the component keeps the promise; NotChecked where that cannot be
    found out."""
    try:
        promise(case)
    except (BrokenContract, NotChecked):
        raise
    except Exception as error:  # a third party's code: anything may come
        raise case.broken(
            f"it raised {_told(error)}",
            f"it {words(promise)}",
            f"mend what raises{_place(error)}",
        ) from error


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, ImtransError) else f"{type(error).__name__}: {text}"


def _place(error: Exception) -> str:
    """The last line that is neither torch's nor ours."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/torch/" not in f.filename and "/imtrans/" not in f.filename]
    return f", {own[-1].filename}:{own[-1].lineno}" if own else ""
