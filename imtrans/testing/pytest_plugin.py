"""The marker `imtrans_plugin` and the fixture `contract`: every promise of every component that a
distribution brings is a test of its own.

pytest loads this wherever imtrans is installed, so nothing here imports torch before a test that
asks for it is collected.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from imtrans.recipe.registry import Component
    from imtrans.testing.command import Command
    from imtrans.testing.promises import Promise

MARKER = "imtrans_plugin"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*distributions, options={{}}): the fixture `contract` tests every component of "
        "these distributions; `options` are values of options, by the component's name",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "contract" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker(MARKER)
    if mark is None or not mark.args:
        found: list[Any] = [
            "the fixture `contract` needs the name of a distribution: put "
            f'@pytest.mark.{MARKER}("imtrans-x") above the test'
        ]
    else:
        found = _found(mark.args)
    metafunc.parametrize("contract", found, indirect=True, ids=_id)


def _found(distributions: tuple[str, ...]) -> list[Any]:
    """(component, promise) each; or, as a text, why there is none."""
    from imtrans.recipe.catalog import catalog
    from imtrans.testing.installed import missing
    from imtrans.testing.promises import brought_by, promises_of

    faults: list[Any] = [fault for name in distributions if (fault := missing(name))]
    return faults or [
        (component, promise)
        for component in brought_by(catalog(), distributions)
        for promise in promises_of(component.role)
    ]


def _id(value: "tuple[Component | Command, Promise] | str") -> str:
    from imtrans.testing.promises import words

    if isinstance(value, str):
        return "no components"
    component, promise = value
    return f"{component.role} {component.name}: {words(promise)}"


@pytest.fixture
def contract(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], None]:
    """Call it: it fails unless the component keeps this promise."""
    if isinstance(request.param, str):
        pytest.fail(request.param, pytrace=False)
    component, promise = request.param
    mark = request.node.get_closest_marker(MARKER)
    options: Mapping[str, Mapping[str, Any]] = mark.kwargs.get("options", {})

    def kept() -> None:
        from imtrans.contracts.broken import BrokenContract
        from imtrans.recipe.catalog import catalog
        from imtrans.testing.case import Case, NotChecked
        from imtrans.testing.promises import check

        case = Case(component, catalog(), tmp_path, options.get(component.name, {}))
        lesson = ""
        try:
            check(promise, case)
        except NotChecked as reason:
            pytest.skip(str(reason))
        except BrokenContract as broken:
            lesson = broken.lesson
        if lesson:  # here, where no traceback comes with it
            pytest.fail(lesson, pytrace=False)

    return kept
