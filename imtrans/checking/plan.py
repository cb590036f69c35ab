"""What a training will be and take, before it begins. Nothing is written, and nothing kept."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import monotonic

import torch

from imtrans.api.pictures import Pair
from imtrans.checking.memory import Memory, estimate_memory, noise, state_bytes
from imtrans.components.methods.pix2pix import Pix2Pix
from imtrans.data.cache.fingerprint import fingerprint
from imtrans.data.cache.obtain import PAYS, ReadWhole, estimated_bytes
from imtrans.data.cache.store import home
from imtrans.host.devices import choose_device, computing
from imtrans.host.machine import memory as memory_here
from imtrans.host.words import size
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs.listing import newest_whole
from imtrans.runs.run_dir import RunDir, is_trained_in
from imtrans.task import Parts, assemble, build_sampler, find_pairs
from imtrans.training.fit import look_first
from imtrans.training.step.engine import Engine, choose_engine
from imtrans.training.step.stepper import Stepping
from imtrans.training.step.trial import tried_model
from imtrans.training.warm_start import start_from

Say = Callable[[str], None]
ENOUGH = 1.0  # s of timed steps
MOST = 5  # timed steps


@dataclass(frozen=True)
class Disk:
    """Bytes of a run's checkpoints, when one more than is kept is just written."""

    checkpoint: int
    count: int
    best: int
    free: int

    @property
    def total(self) -> int:
        return self.checkpoint * self.count + self.best


@dataclass(frozen=True)
class Estimate:
    """What `--dry-run` tells."""

    pairs: int
    held_out: int
    parameters: dict[str, tuple[str, int]]  # role -> component, how many
    device: torch.device
    engine: Engine
    run: str  # what becomes of the run directory
    per_epoch: int  # steps
    steps: int  # in all
    left: int  # steps
    memory: Memory
    free: int | None  # bytes on the device
    disk: Disk
    cache: str
    seconds: float | None  # of one step; None where it would not fit

    @property
    def fits(self) -> bool:
        return self.free is None or self.memory.total <= self.free


def estimate(
    recipe: Recipe, catalog: Catalog, run_dir: Path, *, device: str | None, fresh: bool, say: Say
) -> Estimate:
    """Resolve a recipe as training would, and estimate what it takes. Raises ImtransError for what
    training would refuse."""
    with computing(deterministic=recipe.train.deterministic):
        return _estimate(recipe, catalog, run_dir, choose_device(device), fresh, say)


def _estimate(
    recipe: Recipe, catalog: Catalog, run_dir: Path, device: torch.device, fresh: bool, say: Say
) -> Estimate:
    train = recipe.train
    pairs, held_out = find_pairs(recipe, catalog)
    look_first(pairs, held_out, recipe.data, say)
    per_epoch = -(-len(pairs) // (train.batch_size * train.accumulate))
    engine = choose_engine(train, device, train.epochs * per_epoch)
    parts = assemble(recipe, catalog, device)
    where, step, left = _standing(recipe, run_dir, per_epoch, fresh)
    if train.init_from and not step:
        start_from(train.init_from, parts, say)
    # Compiling takes a minute, and leaves files behind.
    eager = replace(engine, compiled=False)
    channels = (parts.encoding.source_channels, parts.encoding.target_channels)
    model = Pix2Pix(parts, train, eager)
    memory, free = estimate_memory(model, recipe, channels), _free(device)
    disk = _disk(model, recipe, run_dir, bool(held_out))
    del model
    found = Estimate(
        len(pairs),
        len(held_out),
        _parameters(recipe, parts),
        device,
        engine,
        where,
        per_epoch,
        step + left,
        left,
        memory,
        free,
        disk,
        _cache(recipe, catalog, pairs, -(-left // per_epoch)),
        None,
    )
    if not found.fits:
        return found
    return replace(found, seconds=_seconds(recipe, parts, eager, channels, say))


def _parameters(recipe: Recipe, parts: Parts) -> dict[str, tuple[str, int]]:
    networks = {"generator": parts.generator, "discriminator": parts.discriminator}
    names = {"generator": recipe.generator.name, "discriminator": recipe.discriminator.name}
    counts = {role: sum(p.numel() for p in net.parameters()) for role, net in networks.items()}
    return {role: (names[role], counts[role]) for role in networks}


def _standing(recipe: Recipe, run_dir: Path, per_epoch: int, fresh: bool) -> tuple[str, int, int]:
    """What becomes of the run directory, how many steps are done, and how many are left."""
    train = recipe.train
    whole = train.epochs * per_epoch
    busy = ". another process trains there now" if is_trained_in(run_dir) else ""
    if fresh and run_dir.exists():
        return f"{run_dir}: new; the run that is there would be moved aside{busy}", 0, whole
    run = RunDir(run_dir, recipe)  # refuses another recipe
    header = newest_whole(run_dir) if run.learned() else None
    if not header or not header.step:
        return f"{run_dir}: new{busy}", 0, whole
    same = header.number("batches_per_epoch") == per_epoch
    done_in_epoch = header.number("batch") if same else 0
    left = max((train.epochs - header.epoch + 1) * per_epoch - done_in_epoch, 0)
    return f"{run_dir}: would continue after step {header.step}{busy}", header.step, left


def _disk(model: Pix2Pix, recipe: Recipe, run_dir: Path, held_out: bool) -> Disk:
    generator = state_bytes(model.translating)
    moments = sum(
        2 * parameter.numel() * parameter.element_size()
        for adam in (model.adam_g, model.adam_d)
        for parameter in adam.parameters
    )
    behind = state_bytes(model.generator) if model.average else 0
    whole = generator + state_bytes(model.discriminator) + moments + behind
    best = generator if recipe.train.keep_best and held_out else 0
    there = run_dir.resolve()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    return Disk(whole, recipe.train.keep_last + 1, best, free)


def _free(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    here = memory_here()
    return here.available if here else None


def _cache(recipe: Recipe, catalog: Catalog, pairs: Sequence[Pair], passes: int) -> str:
    """Whether pixels are read from a cache, and how large it is or will be."""
    data, sampler = recipe.data, build_sampler(recipe, catalog)
    load_size = sampler.load_size
    if data.cache is False:
        return "none, since data.cache = false"
    if (home() / fingerprint(pairs, data, load_size)).is_dir():
        return f"there already, in {home()}"
    if data.cache == "auto" and passes < PAYS:
        return f"none: it pays from {PAYS} epochs on"
    needed = estimated_bytes(ReadWhole(sampler.reader, pairs, load_size))
    limit = int(data.cache_limit * 1e9)
    if needed > limit:
        return f"none: {size(needed)} needed, and data.cache_limit is {size(limit)}"
    return f"would be built: about {size(needed)}, in {home()}"


def _seconds(
    recipe: Recipe, parts: Parts, engine: Engine, channels: tuple[int, int], say: Say
) -> float:
    """What a step takes, on noise, after one that is not timed."""
    for network in (parts.generator, parts.discriminator):
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    model = tried_model(recipe, parts, engine, say)
    train = recipe.train
    source, target = noise(train.batch_size * train.accumulate, recipe, channels, model)
    stepping, seconds = Stepping(model, train, say), list[float]()
    stepping(source, target)
    _wait(model.device)
    while sum(seconds) < ENOUGH and len(seconds) < MOST:
        start = monotonic()
        stepping(source, target)
        _wait(model.device)
        seconds.append(monotonic() - start)
    return median(seconds)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
