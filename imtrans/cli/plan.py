"""An estimate, in words."""

from collections.abc import Iterator

from imtrans.checking.plan import Estimate
from imtrans.host.words import size
from imtrans.training.display.lines import duration


def told(found: Estimate) -> Iterator[str]:
    """Line by line, what a training will be and take."""
    for name, value in _rows(found):
        yield f"{name:<14} {value}"


def _rows(found: Estimate) -> Iterator[tuple[str, str]]:
    yield "pairs", f"{found.pairs} to train on, {found.held_out} held out"
    for role, (name, count) in found.parameters.items():
        yield role, f"{name}, {count:,} parameters"
    yield "engine", f"{found.device}, {found.engine}"
    yield "run", found.run
    more = f", {found.left} of them left" if found.left < found.steps else ""
    yield "steps", f"{found.per_epoch} an epoch, {found.steps} in all{more}"
    yield "memory", _memory(found)
    yield "disk", _disk(found)
    yield "cache", found.cache
    yield "time", _time(found)


def _memory(found: Estimate) -> str:
    memory = found.memory
    parts = {
        "weights": memory.weights,
        "gradients": memory.gradients,
        "Adam": memory.moments,
        "average": memory.average,
        "activations": memory.activations,
    }
    shown = ", ".join(f"{name} {size(count)}" for name, count in parts.items() if count)
    free = f"; {size(found.free)} are free" if found.free is not None else ""
    small = "a smaller train.batch_size with train.accumulate, data.crop_size or generator.width"
    remedy = ""
    if not found.fits:
        remedy = f". too little: use {small}"
    elif found.free is not None and memory.peak > found.free:
        remedy = f". it may not be enough: {small} takes less"
    return (
        f"estimated {size(memory.total)}, up to {size(memory.peak)} with what operations need for "
        f"a moment ({shown}){free}{remedy}"
    )


def _disk(found: Estimate) -> str:
    disk = found.disk
    best = f" and the best generator of {size(disk.best)}" if disk.best else ""
    short = ". too little: use a smaller train.keep_last" if disk.total > disk.free else ""
    return (
        f"{size(disk.total)} at the most: {disk.count} checkpoints of {size(disk.checkpoint)}{best}"
        f", samples beside; {size(disk.free)} are free{short}"
    )


def _time(found: Estimate) -> str:
    if found.seconds is None:
        return "not measured, since it would not fit into memory"
    compiled = "not compiled as training will be, " if found.engine.compiled else ""
    return (
        f"about {duration(found.seconds * found.left)}, roughly: {found.seconds:.3g} s a step on "
        f"noise, {compiled}without reading, validation and samples"
    )
