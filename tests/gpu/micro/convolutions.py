"""m2, m3, m4: every convolution of a step by itself, each way cuDNN can choose it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Thread
from typing import Any

import torch
from kernels import kernels_of
from pairs import recipe_of
from report import table
from timing import copies, timer_of
from torch import Tensor, nn
from work import Work

from imtrans.recipe.catalog import catalog
from imtrans.task import Task

Rows = list[dict[str, Any]]
DIRECTIONS = {"forward": None, "input's gradient": 0, "weight's gradient": 1}
# How cuDNN chooses: by its own guess, or by trying so many algorithms (0: all).
CHOICES: dict[str, int | None] = {"guess": None, "tries 10": 10, "tries all": 0}
FORMATS = {"NHWC": torch.channels_last, "NCHW": torch.contiguous_format}
DEEP = ("512 to 512 @", "512 transposed to 512 @", "1024 transposed to 512 @")
LAST = 45.0  # seconds of the part, in which no further choice is measured
PADDED = 8  # channels, to which few are filled up

# Layers whose maps are at most 4 x 4 px: rows of the input, summed products, columns.
PRODUCTS = {
    "encoder.6, all taps": (4, 8192, 512),
    "encoder.7, all taps": (1, 8192, 512),
    "encoder.7, the 4 taps inside": (1, 2048, 512),
    "decoder.0, all taps": (1, 512, 8192),
    "decoder.0, the 4 taps inside": (1, 512, 2048),
    "decoder.1, all taps": (4, 1024, 8192),
}


@dataclass(frozen=True)
class Layer:
    """A convolution and the map it is given."""

    name: str
    transposed: bool
    before: int  # channels
    after: int
    size: int  # px of the map it is given
    kernel: int
    stride: int
    padding: int

    @property
    def shape(self) -> str:
        arrow = "transposed to" if self.transposed else "to"
        return f"{self.before} {arrow} {self.after} @ {self.size}, stride {self.stride}"

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        first, second = self.before, self.after
        if not self.transposed:
            first, second = second, first
        return first, second, self.kernel, self.kernel

    def flops(self, made: Tensor) -> float:
        places = self.size**2 if self.transposed else made[0, 0].numel()
        return 2.0 * places * self.kernel**2 * self.before * self.after


def layers(work: Work) -> Rows:
    """Each distinct convolution in bf16, in each direction, format and choice: us, TFLOP/s, and
    GB/s of weights."""
    found = convolutions(work)[: 2 if work.smoke else None]
    rows: Rows = []
    for choice, limit in CHOICES.items():
        for name, memory_format in FORMATS.items():
            if work.left() < LAST:
                work.leave_out(f"m2: {name}, cuDNN's choice '{choice}': no time was left")
                continue
            measured: Rows = []
            each = partial(_rows, work, found, memory_format, name == "NHWC" and limit == 10)
            _in_own_thread(partial(_chosen, limit, each, measured))
            rows += [{"choice": choice, "format": name, **row} for row in measured]
    return rows


def by_layer(rows: Rows) -> Iterator[str]:
    """A row for each layer and direction, a column for each format and choice, in us; the kernels
    are in gpu.json."""
    columns = list(dict.fromkeys((row["format"], row["choice"]) for row in rows))
    found: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
    for row in rows:
        each = found.setdefault((row["shape"], row["direction"]), {})
        each[row["format"], row["choice"]] = row["us"]["median"]
    shown = [(*name, *(each.get(column) for column in columns)) for name, each in found.items()]
    deep = [name for name in found if name[0].startswith(DEEP)]
    for title, names in (("**all of these**", list(found)), ("**deep layers**", deep)):
        sums = (sum(found[name].get(column, 0.0) for name in names) for column in columns)
        shown.append((title, "all", *sums))
    headings = [f"{name}, {choice}" for name, choice in columns]
    yield from table(("layer", "direction", *headings), shown)
    yield from ["", "If the deep layers take more than 150 us: as matrix products (m4).", ""]


def padded_layers(work: Work) -> Rows:
    """Those with very few channels, as they are and with more: us."""
    few = [each for each in convolutions(work) if min(each.before, each.after) < PADDED]
    rows: Rows = []
    for layer in few[: 1 if work.smoke else None]:
        more = replace(layer, before=max(layer.before, PADDED), after=max(layer.after, PADDED))
        rows += _rows(work, [layer, more], torch.channels_last, False)
    return rows


def deep_layers(work: Work) -> Rows:
    """The deep layers as matrix products in bf16, in each direction: us."""
    rows = []
    for name, (row_count, inner, columns) in PRODUCTS.items():
        if work.smoke:
            inner, columns = inner // 64, columns // 64
        count = copies(inner * columns * 2, smoke=work.smoke)
        given, gradient = (_noise(work, row_count, n) for n in (inner, columns))
        weights = [_noise(work, inner, columns) for _ in range(count)]
        outs = [torch.empty_like(weight) for weight in weights]
        ways: dict[str, list[Callable[[], object]]] = {
            "forward": [partial(torch.mm, given, weight) for weight in weights],
            "input's gradient": [partial(torch.mm, gradient, weight.t()) for weight in weights],
            "weight's gradient": [partial(torch.mm, given.t(), gradient, out=out) for out in outs],
        }
        for way, calls in ways.items():
            took = timer_of(work).spread(*calls)
            gigabytes = inner * columns * 2 / took.median / 1e3
            rows.append({"layer": name, "direction": way, "us": took, "GB/s": gigabytes})
    return rows


def convolutions(work: Work) -> list[Layer]:
    """The distinct convolutions of the recipe's networks at its image size, batch 1."""
    recipe = recipe_of(work)
    task, cpu = Task(recipe, catalog()), torch.device("cpu")
    networks = task.method(cpu).networks()
    batch, found = task.noise(cpu, 1), dict[str, Layer]()
    with torch.no_grad():
        for name, inputs in (("generator", (batch.source,)), ("discriminator", batch)):
            with _watching(networks[name], name, found):
                networks[name](*inputs)
    return list(found.values())


@contextmanager
def _watching(network: nn.Module, name: str, found: dict[str, Layer]) -> Iterator[None]:
    def seen(path: str, module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        layer = Layer(
            f"{name}.{path}",
            isinstance(module, nn.ConvTranspose2d),
            module.in_channels,
            module.out_channels,
            inputs[0].shape[-1],
            module.kernel_size[0],
            module.stride[0],
            module.padding[0],
        )
        found.setdefault(layer.shape, layer)

    handles = [
        module.register_forward_hook(partial(seen, path))
        for path, module in network.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    yield
    for handle in handles:
        handle.remove()


def _rows(work: Work, found: list[Layer], memory_format: Any, named: bool) -> Rows:
    return [_row(work, layer, way, memory_format, named) for layer in found for way in DIRECTIONS]


def _row(work: Work, layer: Layer, way: str, memory_format: Any, named: bool) -> dict[str, Any]:
    given = _noise(work, 1, layer.before, layer.size, layer.size).to(memory_format=memory_format)
    count = copies(torch.Size(layer.weight_shape).numel() * 2, smoke=work.smoke)
    drawn = (_noise(work, *layer.weight_shape) for _ in range(count))
    weights = [weight.to(memory_format=memory_format) for weight in drawn]
    made = _forward(layer, given, weights[0])
    gradient = torch.randn_like(made)
    calls: list[Callable[[], object]] = [
        partial(_forward, layer, given, weight)
        if DIRECTIONS[way] is None
        else partial(_backward, layer, gradient, given, weight, way)
        for weight in weights
    ]
    took = timer_of(work).spread(*calls)
    row = {
        "layer": layer.name,
        "shape": layer.shape,
        "direction": way,
        "us": took,
        "TFLOP/s": layer.flops(made) / took.median / 1e6,
        "GB/s": weights[0].numel() * 2 / took.median / 1e3,
    }
    if named:
        kernels = kernels_of(calls[0], work.device, 1)
        row["kernels"] = ", ".join(name for name, *_ in kernels.longest)
    return row


def _forward(layer: Layer, given: Tensor, weight: Tensor) -> Tensor:
    convolution = nn.functional.conv_transpose2d if layer.transposed else nn.functional.conv2d
    return convolution(given, weight, stride=layer.stride, padding=layer.padding)


def _backward(layer: Layer, gradient: Tensor, given: Tensor, weight: Tensor, way: str) -> object:
    wanted = [place == DIRECTIONS[way] for place in range(3)]
    sides = ([layer.stride] * 2, [layer.padding] * 2, [1, 1])
    return torch.ops.aten.convolution_backward(
        gradient, given, weight, None, *sides, layer.transposed, [0, 0], 1, wanted
    )


def _noise(work: Work, *shape: int) -> Tensor:
    return torch.randn(*shape, device=work.device, dtype=torch.bfloat16)


def _chosen(limit: int | None, measure: Callable[[], Rows], into: Rows) -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.benchmark_limit
    cudnn.benchmark = limit is not None
    if limit is not None:
        cudnn.benchmark_limit = limit
    try:
        into += measure()
    finally:
        cudnn.benchmark, cudnn.benchmark_limit = before


def _in_own_thread(call: Callable[[], None]) -> None:
    """cuDNN's choices are kept by each thread, so a new one chooses anew. Raises as the call."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            call()
        except Exception as error:
            errors.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
