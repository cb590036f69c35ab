"""What computes here, and what bounds it: cores and threads, devices, memory."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from imtrans.benchmark.rounds import Spread, in_turns, ratio
from imtrans.benchmark.subject import waiting_for
from imtrans.checking.machine.finding import Finding
from imtrans.host.devices import Precision, autocast, choose_precision
from imtrans.host.machine import bf16_instructions, cores, cpu_name, memory
from imtrans.host.words import size

SHARED = Path("/dev/shm")
SMALL_SHARED, LITTLE_MEMORY, FEW_FILES = 256 * 10**6, 4 * 10**9, 1024
MATTERS = 1.1  # times as fast: less is within what a busy machine varies
ROUNDS, LEAST = 5, 0.02  # of one convolution; seconds


def processor() -> Iterator[Finding]:
    """The CPU, and whether its cores are used."""
    bf16 = bf16_instructions()
    told = f"bf16 by {bf16}" if bf16 else "no bf16 instructions"
    yield Finding("cpu", f"{cpu_name()}, {cores()} cores, {told}")
    yield threads(torch.get_num_threads(), cores(), os.environ.get("OMP_NUM_THREADS"))


def threads(here: int, usable: int, asked: str | None) -> Finding:
    """Whether torch's threads are as many as the cores; `asked` is OMP_NUM_THREADS."""
    told = f"{here} threads for {usable} cores"
    cause = f" (OMP_NUM_THREADS={asked})" if asked else ""
    if here > usable:
        remedy = f"they hinder each other; set OMP_NUM_THREADS={usable}"
        return Finding("threads", f"{told}{cause}: {remedy}", "note")
    if here < usable and asked:
        return Finding("threads", f"{told}{cause}: unset it to use them all", "note")
    return Finding("threads", told + cause)


def gpus() -> Iterator[Finding]:
    """Every GPU, or why there is none."""
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield _gpu(index)
    elif torch.backends.mps.is_available():
        yield Finding("mps", "Apple's GPU, in fp32")
    else:
        driver = shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists()
        yield missing_gpu(bool(driver), torch.version.cuda)


def _gpu(index: int) -> Finding:
    found = torch.cuda.get_device_properties(index)
    free = torch.cuda.mem_get_info(index)[0]
    bf16 = "bf16" if (found.major, found.minor) >= (8, 0) else "no bf16: fp32"
    told = f"{found.name}, {size(found.total_memory)}, {size(free)} free"
    return Finding(f"cuda:{index}", f"{told}, capability {found.major}.{found.minor}, {bf16}")


def missing_gpu(driver: bool, cuda: str | None) -> Finding:
    """No GPU is to be had: whether one should be."""
    if driver and cuda:
        said = f"an NVIDIA driver is here, but torch (CUDA {cuda}) cannot use it: is it too old?"
        return Finding("gpu", said, "wrong")
    if driver:
        said = "an NVIDIA driver is here, but this torch has no CUDA: pytorch.org/get-started"
        return Finding("gpu", said, "note")
    return Finding("gpu", "none; the CPU trains")


def precision(device: torch.device) -> tuple[Finding, Precision]:
    """Whether bf16 is faster here than fp32, by a few convolutions, and which one to choose."""
    chosen = choose_precision("auto", device)
    if device.type == "mps":
        return Finding("bf16", "not tried on mps; 'auto' computes in fp32"), chosen
    return judged(bf16_gain(device), chosen, device)


def judged(gained: Spread, chosen: Precision, device: torch.device) -> tuple[Finding, Precision]:
    """The finding, and the precision to take: another than `auto` chooses only where all rounds
    speak against that one."""
    told = f"convolutions in bf16 are {gained.median:.2g} times as fast as in fp32 on {device}"
    told += f" ({gained.low:.2g} - {gained.high:.2g})"
    better: Precision = "bf16" if gained.median > 1 else "fp32"
    all_agree = gained.low > MATTERS if better == "bf16" else gained.high * MATTERS < 1
    if better != chosen and all_agree:
        said = f"{told}, but 'auto' chooses {chosen}. compare --set train.precision={better}"
        return Finding("bf16", said, "note"), better
    return Finding("bf16", f"{told}; 'auto' computes in {chosen}"), chosen


def bf16_gain(device: torch.device) -> Spread:
    """How many times as fast a small encoder and decoder and its gradients are in bf16.

    One convolution by itself says the reverse on some CPUs: it pays for casting its weights, and
    for casting what it is given.
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
    """The machine's memory, that which processes share, and how many files may be open."""
    here = memory()
    if here:
        little = here.available < LITTLE_MEMORY
        said = f"{size(here.total)}, {size(here.available)} free"
        more = ": little for a U-Net of 57 M parameters, which takes about 1.5 GB" if little else ""
        yield Finding("memory", said + more, "note" if little else "ok")
    if SHARED.is_dir():
        yield shared_memory(shutil.disk_usage(SHARED).free)
    if (files := _open_files()) is not None:
        few = files < FEW_FILES
        more = f": few for processes that load data; ulimit -n {FEW_FILES * 4}" if few else ""
        yield Finding("open files", f"up to {files:,}{more}", "note" if few else "ok")


def shared_memory(free: int) -> Finding:
    """Loading processes hand over their batches in /dev/shm."""
    if free >= SMALL_SHARED:
        return Finding("shared", f"{size(free)} free in {SHARED}")
    said = (
        f"{size(free)} free in {SHARED}: loading processes may be killed. docker run --shm-size=2g"
    )
    return Finding("shared", f"{said}, or --set data.workers=0", "note")


def _open_files() -> int | None:
    try:
        from resource import RLIMIT_NOFILE, getrlimit
    except ImportError:  # Windows
        return None
    return getrlimit(RLIMIT_NOFILE)[0]
