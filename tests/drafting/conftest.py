import pytest

from imtrans.drafting import machine
from imtrans.drafting.machine import Cost, Machine


@pytest.fixture(autouse=True)
def known_machine(request, monkeypatch):
    """A machine on which every step takes 10 ms: nothing is timed, which takes seconds. A test
    marked `timed` is on this one."""
    if request.node.get_closest_marker("timed"):
        return
    monkeypatch.setattr(machine, "this_machine", lambda: Machine(name="a known machine"))
    monkeypatch.setattr(machine, "cost", lambda recipe, catalog: Cost(0.01, fits=True))
