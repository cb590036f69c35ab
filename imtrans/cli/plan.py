"""A plan of a training, in words."""

from collections.abc import Iterator

from imtrans.checking.plan import Plan
from imtrans.host.words import duration, size


def lines(plan: Plan) -> Iterator[str]:
    """Line by line, what a training will be and take."""
    for name, value in _rows(plan):
        yield f"{name:<14} {value}"


def _rows(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "pairs", f"{plan.pairs} to train on, {plan.validation_pairs} for validation"
    for name, count in plan.networks.items():
        yield name, f"{count:,} parameters"
    yield "engine", f"{plan.device}, {plan.engine}"
    yield "run", plan.progress.run
    done, left = plan.progress.done, plan.progress.left
    more = f", {left} of them left" if done else ""
    yield "steps", f"{plan.per_epoch} an epoch, {done + left} in all{more}"
    if len(plan.stages) > 1:
        epochs = [str(epoch) for epoch in plan.stages]
        yield "stages", f"{len(epochs)}, from the epochs {', '.join(epochs[:-1])} and {epochs[-1]}"
    yield "memory", _memory(plan)
    yield "disk", _disk(plan)
    yield "cache", plan.cache
    yield "time", _time(plan)


def _memory(plan: Plan) -> str:
    free = f"; {size(plan.free)} are free" if plan.free is not None else ""
    remedy = (
        ". too little: use a smaller train.batch_size with train.accumulate, data.crop_size or "
        "generator.width"
    )
    if plan.memory is None:
        return f"more than there is{free}{remedy}" if not plan.fits else f"not measured here{free}"
    return f"{size(plan.memory)} at the peak, measured{free}{'' if plan.fits else remedy}"


def _disk(plan: Plan) -> str:
    disk = plan.disk
    best = f" and the best generator of {size(disk.best)}" if disk.best else ""
    short = ". too little: use a smaller train.keep_last" if disk.total > disk.free else ""
    return (
        f"{size(disk.total)} at most: {disk.count} checkpoints of {size(disk.checkpoint)}{best}"
        f", plus samples; {size(disk.free)} are free{short}"
    )


def _time(plan: Plan) -> str:
    if plan.seconds is None:
        return "not measured, since it would not fit into memory"
    compiled = "not compiled as training will be, " if plan.engine.compiled else ""
    return (
        f"about {duration(plan.seconds * plan.progress.left)}, roughly: {plan.seconds:.3g} s a "
        f"step on noise, {compiled}without reading, validation and samples"
    )
