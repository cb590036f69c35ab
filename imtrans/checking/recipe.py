"""Checks of a recipe before it trains: its components, its data, and one step."""

from collections.abc import Iterator
from time import monotonic

import torch

from imtrans.api.errors import ImtransError
from imtrans.api.method import Method
from imtrans.checking.finding import Finding
from imtrans.host.devices import choose_device
from imtrans.host.foreign import reason
from imtrans.recipe.reading import described
from imtrans.task import Task
from imtrans.training.step.engine import choose_engine
from imtrans.training.step.stepper import Stepper
from imtrans.training.step.trial import tried_step


def check(task: Task, device: str | None = None) -> Iterator[Finding]:
    """Build the components, find the data, and take one step on them; nothing is kept.

    Each finding is yielded as it is made. Without data the step is taken on noise.
    """
    chosen = choose_device(device)
    method: Method | None = None
    try:
        method = task.method(chosen)
        task.metrics()
        yield Finding("components", _components(task, method))
    except ImtransError as error:
        yield Finding("components", str(error), "error")
    found = False
    try:
        counts = len(task.pairs), len(task.validation_pairs)
        found = True
        yield Finding("data", f"{counts[0]} pairs to train on, {counts[1]} for validation")
    except ImtransError as error:
        yield Finding("data", str(error), "error")
    if method:
        yield _step(task, method, chosen, on_pairs=found)


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


def _step(task: Task, method: Method, device: torch.device, *, on_pairs: bool) -> Finding:
    remarks: list[str] = []
    try:
        batch = task.first_batch(device) if on_pairs else task.noise(device)
        engine = choose_engine(task.recipe.train, device)
        step = tried_step(method, engine, task.recipe.train, batch, remarks.append)
        start = monotonic()
        losses = Stepper(step, remarks.append)(batch)
        values = {name: float(loss) for name, loss in losses.items()}
        seconds = monotonic() - start
    except (ImtransError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split()) if isinstance(error, ImtransError) else reason(error)
        return Finding("one step", said, "error")
    shown = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
    rest = "".join(f". {remark}" for remark in remarks)
    on = "the first pairs" if on_pairs else "noise"
    text = f"on {on}, {device}, {step.engine}, {seconds:.2f} s: {shown}{rest}"
    return Finding("one step", text)
