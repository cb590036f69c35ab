"""The doctor's round: software, hardware, room, and then what to choose."""

from collections.abc import Callable, Iterator
from pathlib import Path

from imtrans.checking.machine import hardware, room, software
from imtrans.checking.machine.advice import advice
from imtrans.checking.machine.finding import Finding
from imtrans.host.devices import choose_device
from imtrans.recipe.catalog import Catalog


def examine(runs: Path, collect: Callable[[], Catalog]) -> Iterator[Finding]:
    """Each finding as it is made; takes a few seconds. `collect` makes the catalog."""
    yield from software.versions()
    yield software.extras()
    yield from software.plugins(collect)
    compiler = software.compiler()
    yield compiler
    yield from hardware.processor()
    yield from hardware.gpus()
    device = choose_device()
    faster, precision = hardware.precision(device)
    yield faster
    yield from hardware.memories()
    yield from room.places(runs)
    yield from advice(device, precision, compiler.state == "ok")
