"""Checks of a recipe before it trains: its components, its data, and one step."""

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import torch

from imtrans.api.errors import ImtransError
from imtrans.api.method import Method
from imtrans.checking.data.look_first import look_first
from imtrans.checking.finding import Finding
from imtrans.contracts.places import place_of
from imtrans.host.devices import choose_device
from imtrans.host.foreign import reason
from imtrans.recipe.reading import described
from imtrans.task import Task
from imtrans.training.meter import Meter, NotFinite
from imtrans.training.step.engine import choose_engine
from imtrans.training.step.step import never_trained
from imtrans.training.step.stepper import Stepper
from imtrans.training.step.trial import tried_step
from imtrans.training.warm_start import start_from


def check(task: Task, device: str | None = None) -> Iterator[Finding]:
    """Build the components, find the data, and take one step on them; nothing is kept.

    Each finding is yielded as it is made. Without data the step is taken on noise.
    """
    chosen = choose_device(device)
    method: Method | None = None
    try:
        method = task.method(chosen)
        task.metrics()
        task.loggers(Path("runs"))
        yield Finding("components", _components(task, method))
    except ImtransError as error:
        yield Finding("components", str(error), "error")
    data = _data(task)
    yield data
    if data.severity != "error":
        yield Finding("scale", f"{task.scale}; translate does it too")
    if method and task.recipe.train.init_from:
        yield _first_weights(task.recipe.train.init_from, method)
    if method:
        yield from _step(task, method, chosen, on_pairs=data.severity != "error")


def _data(task: Task) -> Finding:
    """The pairs, and what training would refuse of their files."""
    remarks: list[str] = []
    try:
        look_first(task, remarks.append)
    except ImtransError as error:
        return Finding("data", str(error), "error")
    counts = (
        f"{len(task.pairs)} {task.unit} to train on, {len(task.validation_pairs)} for validation"
    )
    warned = any(remark.startswith("warning") for remark in remarks)
    return Finding("data", ". ".join([counts, *remarks]), "warning" if warned else "ok")


def _first_weights(path: str, method: Method) -> Finding:
    remarks: list[str] = []
    try:
        start_from(path, method, remarks.append)
    except ImtransError as error:
        return Finding("weights", str(error), "error")
    return Finding("weights", ". ".join(remarks))


def _components(task: Task, method: Method) -> str:
    counts = ", ".join(
        f"{name} {sum(p.numel() for p in network.parameters()):,} parameters"
        for name, network in method.networks().items()
    )
    stride = next(iter(method.translators().values())).stride
    fields = (
        f"{name} sees {network.receptive_field} px"
        for name, network in method.networks().items()
        if hasattr(network, "receptive_field")
    )
    facts = ", ".join([f"sizes in multiples of {stride}", *fields])
    return f"{described(task.recipe)} ({counts}; {facts})"


def _step(task: Task, method: Method, device: torch.device, *, on_pairs: bool) -> Iterator[Finding]:
    remarks: list[str] = []
    try:
        batch = task.first_batch(device) if on_pairs else task.noise(device)
        engine = choose_engine(task.recipe.train, device)
        step = tried_step(method, engine, task.recipe.train, batch, remarks.append)
        idle = never_trained(method, task.recipe.train.epochs)
        start = monotonic()
        meter = Meter()
        meter.count(Stepper(step, remarks.append)(batch), len(batch.source))
        losses = meter.read(step.learning_rate).losses
        seconds = monotonic() - start
    except (ImtransError, NotFinite, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split()) if isinstance(error, ImtransError) else reason(error)
        yield Finding("one step", said, "error")
        return
    except Exception as error:
        where = place_of(error)
        if not where:
            raise  # a mistake of ours
        yield Finding("one step", f"{type(error).__name__}: {reason(error)}{where}", "error")
        return
    shown = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
    on = "the first pairs" if on_pairs else "noise"
    text = f"on {on}, {device}, {step.engine}, {seconds:.2f} s: {shown}"
    yield Finding("one step", text)
    if idle:
        yield Finding("epochs", idle.removeprefix("warning: "), "warning")
    for remark in remarks:
        yield Finding("one step", remark.removeprefix("note: "), "note")
