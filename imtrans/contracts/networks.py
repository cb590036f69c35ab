"""Probes of generators and discriminators, each on one small image."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from imtrans.api.errors import is_out_of_memory
from imtrans.api.method import scales
from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.calls import all_finite, keeping, repeated
from imtrans.contracts.sizes import smallest_side
from imtrans.host.foreign import reason

SEARCHED = 512  # px: no larger side is tried to find the stride that a generator really has


def noise(
    channels: int, height: int, width: int, device: torch.device | None = None, *, seed: int = 0
) -> Tensor:
    """An image (1, channels, height, width) of noise in [-1, 1], always the same at a seed."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(1, channels, height, width, generator=generator) * 2 - 1).to(device)


def probe_generator(subject: object, network: nn.Module, source: int, target: int) -> None:
    """Raise BrokenContract unless it makes `target` channels of `source` channels at the smallest
    sizes that its stride allows, finite ones, the same at a seed, and leaves its input as it is."""
    stride_of(subject, network)
    image = small_source(network, source)
    try:
        output = _probed(subject, network, source=image)
    except (ValueError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise _other_stride(subject, network, image, f"raised: {reason(error)}") from error
    check_output(subject, network, image, output, target)
    check_finite(subject, network, output, image)
    flat = torch.zeros_like(image)
    with torch.no_grad(), undisturbed(network):
        output = network(flat)
    check_finite(subject, network, output, flat)


def small_source(network: nn.Module, channels: int) -> Tensor:
    """Noise that is not square, at the smallest sizes that the stride of a generator allows."""
    stride = int(network.stride)  # type: ignore[arg-type]  # checked by `stride_of`
    side = smallest_side(stride)
    return noise(channels, side, side + stride, device_of(network))


def probe_discriminator(subject: object, network: nn.Module, source: Tensor, image: Tensor) -> None:
    """Raise BrokenContract unless it gives finite logits, the same at a seed, and leaves its inputs
    as they are."""
    output = _probed(subject, network, source=source, image=image)
    check_logits(subject, output)
    check_finite(subject, network, output, source, image)


def _probed(subject: object, network: nn.Module, **inputs: Tensor) -> Any:
    def call() -> Any:
        with torch.no_grad(), undisturbed(network):
            return network(*inputs.values())

    return repeated(subject, lambda: keeping(subject, call, inputs))


def stride_of(subject: object, network: nn.Module) -> int:
    stride = getattr(network, "stride", None)
    if isinstance(stride, int) and stride > 0:
        return stride
    found = "has no `stride`" if stride is None else f"has `stride = {stride!r}`"
    raise BrokenContract(
        subject,
        f"what it builds {found}",
        "a generator has a whole number `stride`: height and width are to be multiples of it",
        "set `self.stride` in `__init__`: 1 if any size fits, else 2 ** (number of halvings)",
    )


def check_output(
    subject: object, network: nn.Module, source: Tensor, output: Any, channels: int
) -> None:
    """Raise BrokenContract unless a generator made of the source an image of its size."""
    if not isinstance(output, Tensor) or output.dim() != 4:
        shape = f"{tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise BrokenContract(
            subject,
            f"it made {shape} of {tuple(source.shape)}",
            "a generator makes (N, out_channels, H, W) of (N, in_channels, H, W)",
            "return one tensor, the image",
        )
    if output.shape[:2] != (len(source), channels):
        raise BrokenContract(
            subject,
            f"it made {tuple(output.shape)} of {tuple(source.shape)}; the target has {channels} "
            f"{'channel' if channels == 1 else 'channels'}",
            "a generator makes (N, out_channels, H, W) of (N, in_channels, H, W)",
            "end with a convolution to the builder's second parameter, `out_channels`",
        )
    if output.shape[2:] != source.shape[2:]:
        raise _other_stride(subject, network, source, f"made {_size(output)}")


def _other_stride(
    subject: object, network: nn.Module, source: Tensor, found: str
) -> BrokenContract:
    stride: int = network.stride  # type: ignore[assignment]  # checked by `stride_of`
    fits = _stride_that_fits(network, source, stride)
    return BrokenContract(
        subject,
        f"its stride is {stride}, and of {_size(source)} it {found}",
        "a generator takes every height and width that are multiples of its `stride`, and keeps "
        "them",
        f"set `stride = {fits}`: with multiples of {fits} it works"
        if fits
        else "pad by half the kernel, and undo each halving with one doubling",
    )


def _stride_that_fits(network: nn.Module, source: Tensor, stride: int) -> int | None:
    """The smallest multiple of its stride with which a generator keeps the size."""
    larger = stride * 2
    while smallest_side(larger) + larger <= SEARCHED:
        side = smallest_side(larger)
        image = noise(source.shape[1], side, side + larger, source.device)
        try:
            with torch.no_grad(), undisturbed(network):
                if network(image).shape[2:] == image.shape[2:]:
                    return larger
        except (ValueError, RuntimeError):
            pass
        larger *= 2
    return None


def check_logits(subject: object, output: Any) -> None:
    """Raise BrokenContract unless a discriminator returned logits of one image."""
    for logits, _ in scales(output):
        if not isinstance(logits, Tensor) or logits.dim() != 4 or logits.shape[:2] != (1, 1):
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise BrokenContract(
                subject,
                f"it returned {shape} for one image",
                "logits are (N, 1, h, w), one for each patch; of several scales it returns a list "
                "of (logits, features)",
                "end with a convolution to 1 channel, and keep all four dimensions",
            )


def check_finite(subject: object, network: nn.Module, output: Any, *inputs: Tensor) -> None:
    """Raise BrokenContract if an output has a NaN or an infinity, with the module it comes from."""
    if all_finite(output):
        return
    with torch.no_grad(), undisturbed(network):
        first = _first_not_finite(network, *inputs)
    raise BrokenContract(
        subject,
        f"it gave NaN or infinity{first}",
        "images in [-1, 1] give finite numbers, flat and dark ones too",
        "look there for a division by what can be 0 (a sum, a deviation), or the root or logarithm "
        "of it, and add a small epsilon",
    )


def _first_not_finite(network: nn.Module, *inputs: Tensor) -> str:
    """The innermost module whose output is the first that is not finite, in words."""
    found: list[str] = []

    def watch(name: str, module: nn.Module) -> Any:
        def after(_: nn.Module, given: Any, made: Any) -> None:
            if not found and not all_finite(made):
                where = "from" if all_finite(given) else "before"
                found.append(f", first {where} its module '{name}' ({type(module).__name__})")

        return module.register_forward_hook(after)

    hooks = [watch(name, module) for name, module in network.named_modules() if name]
    try:
        network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else ""


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """It computes as in training; its buffers and its mode are put back."""
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    modes = [(module, module.training) for module in network.modules()]
    network.train()
    try:
        yield
    finally:
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                if name in buffers:
                    buffer.copy_(buffers[name])
        for module, training in modes:
            module.training = training


def device_of(network: nn.Module) -> torch.device:
    first = next(network.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def _size(image: Tensor) -> str:
    """Width x height."""
    return f"{image.shape[-1]} x {image.shape[-2]} px"
