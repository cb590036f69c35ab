"""What a method promises, and one line that names the method where it does not keep it."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from imtrans.api.errors import ImtransError, quoted
from imtrans.api.method import Method, Phase, Term


def check_phases(method: Method) -> tuple[Phase, ...]:
    """The phases of a method. Raises ImtransError when they break their contract."""
    found = method.phases()
    if not isinstance(found, Iterable):
        raise _broken(method, f"phases() returned a {type(found).__name__}, not a list of Phases")
    phases = tuple(found)
    for phase in phases:
        if not isinstance(phase, Phase):
            raise _broken(method, f"phases() has a {type(phase).__name__}, not a Phase")
    if not phases:
        raise _broken(method, "phases() is empty: nothing would be trained")
    names = [phase.name for phase in phases]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _broken(method, f"two phases are called {quoted(twice)}")
    owners: dict[int, str] = {}
    known = {id(parameter): name for name, parameter in method.named_parameters()}
    for phase in phases:
        _check_phase(method, phase, owners, known)
    return phases


def _check_phase(
    method: Method, phase: Phase, owners: dict[int, str], known: dict[int, str]
) -> None:
    if phase.times < 1 or (phase.times > 1 and not phase.detached):
        raise _broken(
            method,
            f"the phase '{phase.name}' has times = {phase.times}: only a detached phase can be "
            "descended more than once",
        )
    _check_modules(method, phase)
    # Each once: two modules of a phase may share parameters.
    trained = {id(p): p for module in phase.trains for p in module.parameters() if p.requires_grad}
    if not trained:
        raise _broken(method, f"the phase '{phase.name}' trains no parameters")
    for key in trained:
        if key not in known:
            raise _broken(
                method,
                f"the phase '{phase.name}' trains a network that is not a child of the method, so "
                "that it would not be saved: assign it to an attribute",
            )
        if key in owners:
            raise _broken(
                method,
                f"the parameter '{known[key]}' is in two phases, '{owners[key]}' and "
                f"'{phase.name}'",
            )
        owners[key] = phase.name


def _check_modules(method: Method, phase: Phase) -> None:
    trains: Any = phase.trains
    strange = [trains]
    if isinstance(trains, Sequence | nn.ModuleList):
        strange = [each for each in trains if not isinstance(each, nn.Module)]
    if strange:
        kind = type(strange[0]).__name__
        what = f"the phase '{phase.name}' trains a {kind}; `trains` is a list of modules"
        raise _broken(method, what)


def check_terms(method: Method, phase: Phase, found: Iterable[Term]) -> Sequence[Term]:
    """The terms of a phase, if they are terms; their values are not looked at, which would wait for
    the device. Raises ImtransError."""
    if not isinstance(found, Iterable) or isinstance(found, Term | Tensor):
        kind = type(found).__name__
        raise _broken(method, f"the phase '{phase.name}' returned a {kind}, not a list of Terms")
    terms = tuple(found)
    for term in terms:
        if not isinstance(term, Term):
            raise _broken(
                method, f"the phase '{phase.name}' returned a {type(term).__name__}, not a Term"
            )
        if not isinstance(term.value, Tensor) or term.value.dim():
            what = tuple(term.value.shape) if isinstance(term.value, Tensor) else type(term.value)
            raise _broken(
                method, f"the term '{term.name}' of the phase '{phase.name}' is no scalar: {what}"
            )
    if not any(term.weight for term in terms):
        raise _broken(method, f"the phase '{phase.name}' has no term with a weight")
    names = [term.name for term in terms]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _broken(method, f"two terms of the phase '{phase.name}' are called {quoted(twice)}")
    if not any(term.weight and term.value.requires_grad for term in terms):
        raise _broken(method, f"the phase '{phase.name}': no term depends on what it trains")
    return terms


def check_values(method: Method, values: dict[str, dict[str, Tensor]]) -> None:
    """Raise ImtransError unless all terms, by phase, are finite and have names of their own."""
    names = [name for terms in values.values() for name in terms]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _broken(method, f"two phases have terms called {quoted(twice)}, as the log would")
    for phase, terms in values.items():
        for name, value in terms.items():
            if not bool(value.isfinite()):
                raise ImtransError(
                    f"the loss '{name}' is {float(value)} on the first batch. look at the range of "
                    "data.source and data.target, at the pairs, and at the phase "
                    f"'{phase}' of the method {_name(method)}"
                )


def _broken(method: Method, what: str) -> ImtransError:
    return ImtransError(f"the method {_name(method)} breaks its contract: {what}")


def _name(method: Method) -> str:
    return f"{type(method).__name__} ({type(method).__module__})"
