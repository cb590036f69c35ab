"""The promises of each role, and how one is checked."""

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import chain

from imtrans.api.errors import ImtransError
from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.places import place_of
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.registry import Component
from imtrans.testing import every_role
from imtrans.testing.case import Case, NotChecked
from imtrans.testing.command import Command, installed_commands

Promise = Callable[[Case], None]

MODULES = {
    "method": "methods",
    "generator": "generators",
    "discriminator": "discriminators",
    "adversarial loss": "adversarial",
    "loss": "losses",
    "layout": "layouts",
    "derivation": "derivations",
    "augmentation": "augmentations",
    "metric": "metrics",
    "logger": "loggers",
    "command": "commands",
}


def promises_of(role: str) -> tuple[Promise, ...]:
    """Those of every role first; a command is no component."""
    own: tuple[Promise, ...] = import_module(f"imtrans.testing.{MODULES[role]}").PROMISES
    return own if role == "command" else (*every_role.PROMISES, *own)


def words(promise: Promise) -> str:
    """`smallest where equal`: the name of a promise as a sentence."""
    return promise.__name__.replace("_", " ")


def brought_by(catalog: Catalog, distributions: Iterable[str]) -> Iterator[Component | Command]:
    """Every component and every command of these distributions."""
    wanted = set(map(normal, distributions))
    components: Iterable[Component] = chain(*catalog.registries.values())
    both: Iterable[Component | Command] = chain(components, installed_commands())
    for each in both:
        if normal(each.plugin.distribution) in wanted:
            yield each


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
        raise _broken(promise, case, error) from error


def cause(error: BrokenContract) -> tuple[str, str]:
    """What two broken promises have in common if one fault broke both."""
    raised = error.__cause__
    if raised is None or isinstance(raised, ImtransError):
        return error.found, ""
    return type(raised).__name__, place_of(raised) or str(raised)


def _broken(promise: Promise, case: Case, error: Exception) -> BrokenContract:
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, BrokenContract):
        inner = inner.__cause__
    if inner is not None:
        return case.broken(inner.found, inner.contract, inner.remedy)
    text = " ".join(str(error).split())
    told = f"it raised {type(error).__name__}: {text}"
    if isinstance(error, ImtransError):
        # As `the method Duel (imtrans_duel) breaks its contract: its phases ...`
        told = text.rpartition(" breaks its contract: ")[2]
    return case.broken(told, words(promise), f"mend what raises{place_of(error)}")
