"""All checks of the machine, in order: software, hardware, disk space; then the settings."""

from collections.abc import Callable, Iterator
from pathlib import Path

from imtrans.checking.finding import Finding
from imtrans.checking.machine import disk_space, hardware, software
from imtrans.checking.machine.advice import advice
from imtrans.host.devices import choose_device
from imtrans.recipe.catalog import Catalog


def examine(runs: Path, collect: Callable[[], Catalog]) -> Iterator[Finding]:
    """Each finding as it is made; a few seconds in all. `collect` builds the catalog."""
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
    yield from disk_space.disks(runs)
    yield from advice(device, precision, compiler.severity == "ok")
