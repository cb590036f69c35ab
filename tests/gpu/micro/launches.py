"""m1, m10, m11: what a node of a graph costs, what a launch costs, and what the host does."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from timing import GraphTimer, host_us, recorded, timer_of
from work import Work

from imtrans.data.draws import sample_draw

Rows = list[dict[str, Any]]
NODES, STEP_NODES, STEPS = 500, 300, 8
TIMES = 200


def nodes(work: Work) -> Rows:
    """Additions that depend on each other, in one graph: us of each."""
    rows = []
    for count in (1, 2**16):
        values = torch.zeros(count, device=work.device)
        took = timer_of(work, repeats=NODES).spread(partial(values.add_, 1))
        rows.append({"elements": count, "us a node": took})
    return rows


def launches(work: Work) -> Rows:
    """Steps of 300 small kernels, one or eight to a graph: us of a step on the device, and of the
    host's launch."""
    if work.smoke:
        return [{"steps in a graph": 0, "note": "a CPU has no graphs"}]
    values = torch.zeros(2**16, device=work.device)
    add: Callable[[], object] = partial(values.add_, 1)
    rows = []
    for steps in (1, STEPS):
        graph = recorded(work.device, [add] * (STEP_NODES * steps))
        launch = host_us(graph.replay, TIMES)
        work.wait()
        timer = GraphTimer(work.device, repeats=5 * STEPS // steps)
        on_device = timer.eager(graph.replay).scaled(1 / steps)
        rows.append({"steps in a graph": steps, "us a step": on_device, "host, us": launch})
    return rows


def host(work: Work) -> Rows:
    """What a step asks of the host, us each."""
    small = torch.zeros(8, dtype=torch.int32)
    pinned = small.pin_memory() if work.device.type == "cuda" else small
    losses = torch.zeros(3, device=work.device)
    calls: dict[str, Callable[[], object]] = {
        "a sample's random draw": lambda: sample_draw(0, 1, 2).random(),
        "a tensor of 8 numbers": lambda: torch.tensor(range(8)),
        "one copy of 32 bytes to the device": lambda: pinned.to(work.device, non_blocking=True),
        "one kernel's launch": lambda: losses.add_(1),
        "a clone of the losses": losses.clone,
        "reading the losses": losses.cpu,
    }
    if work.device.type == "cuda":
        calls["pin_memory() of 32 bytes"] = small.pin_memory
    times = 3 if work.smoke else TIMES
    return [{"what": name, "us": host_us(call, times)} for name, call in calls.items()]
