"""The hardware and its limits: cores and threads, GPUs, precision, memory."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from imtrans.benchmark.rounds import Spread, in_turns, ratio
from imtrans.benchmark.subject import waiting_for
from imtrans.checking.finding import Finding
from imtrans.host.devices import Precision, autocast, choose_precision
from imtrans.host.machine import bf16_instructions, cores, cpu_name, memory
from imtrans.host.words import size

SHARED = Path("/dev/shm")
SMALL_SHARED, LITTLE_MEMORY, FEW_FILES = 256 * 10**6, 4 * 10**9, 1024
MATTERS = 1.1  # times faster: less is within the variation of a busy machine
ROUNDS, LEAST = 5, 0.02  # rounds of the bf16 measurement, and seconds of each


def processor() -> Iterator[Finding]:
    """The CPU, and whether its cores are used."""
    bf16 = bf16_instructions()
    instructions = f"bf16 with {bf16}" if bf16 else "no bf16 instructions"
    yield Finding("cpu", f"{cpu_name()}, {cores()} cores, {instructions}")
    yield threads(torch.get_num_threads(), cores(), os.environ.get("OMP_NUM_THREADS"))


def threads(count: int, usable: int, variable: str | None) -> Finding:
    """Whether torch's threads match the usable cores; `variable` is OMP_NUM_THREADS."""
    message = f"{count} threads for {usable} cores"
    if variable:
        message += f" (OMP_NUM_THREADS={variable})"
    if count > usable:
        remedy = f"set OMP_NUM_THREADS={usable}"
        return Finding("threads", f"{message}, which slows all of them", "note", remedy=remedy)
    if count < usable and variable:
        return Finding("threads", message, "note", remedy="unset it to use all cores")
    return Finding("threads", message)


def gpus() -> Iterator[Finding]:
    """Every GPU, or the reason why none can be used."""
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield _gpu(index)
    elif torch.backends.mps.is_available():
        yield Finding("mps", "Apple GPU, used in fp32")
    else:
        driver = shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists()
        yield missing_gpu(bool(driver), torch.version.cuda)


def _gpu(index: int) -> Finding:
    found = torch.cuda.get_device_properties(index)
    free = torch.cuda.mem_get_info(index)[0]
    bf16 = "bf16" if (found.major, found.minor) >= (8, 0) else "no bf16: fp32"
    memory = f"{size(found.total_memory)}, {size(free)} free"
    capability = f"capability {found.major}.{found.minor}"
    return Finding(f"cuda:{index}", f"{found.name}, {memory}, {capability}, {bf16}")


def missing_gpu(driver: bool, cuda: str | None) -> Finding:
    """torch finds no GPU: an error if there should be one."""
    if driver and cuda:
        message = f"an NVIDIA driver is installed, but torch (CUDA {cuda}) cannot use it"
        return Finding("gpu", message, "error", remedy="update the driver; it may be too old")
    if driver:
        message = "an NVIDIA driver is installed, but this torch was built without CUDA"
        remedy = "install torch with CUDA: pytorch.org/get-started"
        return Finding("gpu", message, "note", remedy=remedy)
    return Finding("gpu", "none; training uses the CPU")


def precision(device: torch.device) -> tuple[Finding, Precision]:
    """Whether bf16 is faster than fp32 here, measured on a few convolutions; and which to use."""
    chosen = choose_precision("auto", device)
    if device.type == "mps":
        return Finding("bf16", "not measured on mps; 'auto' computes in fp32"), chosen
    return compared(bf16_gain(device), chosen, device)


def compared(gain: Spread, chosen: Precision, device: torch.device) -> tuple[Finding, Precision]:
    """The finding, and the precision to use: that of `auto`, unless every round was faster in the
    other one."""
    message = f"convolutions in bf16 run at {gain.median:.2g} times the speed of fp32 on {device}"
    message += f" ({gain.low:.2g} - {gain.high:.2g})"
    better: Precision = "bf16" if gain.median > 1 else "fp32"
    all_agree = gain.low > MATTERS if better == "bf16" else gain.high * MATTERS < 1
    if better != chosen and all_agree:
        message += f", but 'auto' chooses {chosen}"
        remedy = f"compare --set train.precision={better}"
        return Finding("bf16", message, "note", remedy=remedy), better
    return Finding("bf16", f"{message}; 'auto' computes in {chosen}"), chosen


def bf16_gain(device: torch.device) -> Spread:
    """How many times faster than in fp32 a small encoder and decoder is in bf16, gradients
    included.

    A single convolution would be misleading: on some CPUs casting its weights and its input costs
    more than it gains.
    """
    layers = (nn.Conv2d(64, 128, 4, 2, 1), nn.Conv2d(128, 256, 4, 2, 1))
    back = (nn.ConvTranspose2d(256, 128, 4, 2, 1), nn.ConvTranspose2d(128, 64, 4, 2, 1))
    network = nn.Sequential(*(part for layer in (*layers, *back) for part in (layer, nn.ReLU())))
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.rand(1, 64, 64, 64, device=device).contiguous(memory_format=torch.channels_last)
    calls = {"fp32": _call(network, images, "fp32"), "bf16": _call(network, images, "bf16")}
    seconds = in_turns(calls, ROUNDS, waiting_for(device), LEAST)
    return ratio(seconds["fp32"], seconds["bf16"])


def _call(network: nn.Module, images: Tensor, precision: Precision) -> Callable[[], None]:
    def call() -> None:
        with autocast(images.device, precision):
            made = network(images)
        made.float().sum().backward()

    return call


def memories() -> Iterator[Finding]:
    """Main memory, shared memory, and the limit of open files."""
    here = memory()
    if here:
        message = f"{size(here.total)}, {size(here.available)} free"
        if here.available < LITTLE_MEMORY:
            message += "; training a U-Net of 57 M parameters takes about 1.5 GB"
            yield Finding("memory", message, "note", remedy="close other programs")
        else:
            yield Finding("memory", message)
    if SHARED.is_dir():
        yield shared_memory(shutil.disk_usage(SHARED).free)
    if (files := _open_files()) is not None:
        if files < FEW_FILES:
            message = f"up to {files:,}, which may be too few for data-loading workers"
            yield Finding("open files", message, "note", remedy=f"ulimit -n {FEW_FILES * 4}")
        else:
            yield Finding("open files", f"up to {files:,}")


def shared_memory(free: int) -> Finding:
    """The free space (bytes) of /dev/shm, through which workers pass batches."""
    if free >= SMALL_SHARED:
        return Finding("shared", f"{size(free)} free in {SHARED}")
    message = f"{size(free)} free in {SHARED}: data-loading workers may be killed"
    remedy = "docker run --shm-size=2g, or --set data.workers=0"
    return Finding("shared", message, "note", remedy=remedy)


def _open_files() -> int | None:
    try:
        from resource import RLIMIT_NOFILE, getrlimit
    except ImportError:  # Windows
        return None
    return getrlimit(RLIMIT_NOFILE)[0]
