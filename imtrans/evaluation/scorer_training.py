"""Trains a scorer: a small segmenter, on the real pairs of label map and photograph of a recipe."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

import imtrans
from imtrans.api.errors import ImtransError
from imtrans.api.scorer import LARGEST, MULTIPLE, Scorer, Segmenter
from imtrans.data.draws import Order
from imtrans.data.encoding import Direct
from imtrans.data.loader import Batches
from imtrans.data.reading import Sample
from imtrans.evaluation.contract import values_of
from imtrans.evaluation.labels import Palette, data_of, palette_of_sources
from imtrans.evaluation.seen import SeenImages, update
from imtrans.evaluation.wanted import Bar
from imtrans.host.devices import autocast, choose_device, choose_precision
from imtrans.host.files import write_whole
from imtrans.recipe import defaults
from imtrans.task import Task

BATCH = 8
LEARNING_RATE = 2e-3  # at the beginning; it falls to zero along a cosine


@dataclass(frozen=True)
class TrainedScorer:
    """A scorer that was trained, and what it reaches on the real photographs for validation."""

    path: Path
    classes: int
    ceiling: dict[str, float]
    photographs: int


def train_scorer(
    task: Task, path: Path, *, steps: int, device: str | None = None, bar: Bar
) -> TrainedScorer:
    """Train on the recipe's training pairs, and write the scorer. Raises ImtransError where sources
    are no label maps or targets no photographs."""
    encoding, palette = _label_maps(task)
    chosen = choose_device(device)
    _check_place(path)  # training takes minutes
    size = min(max(min(task.recipe.data.crop) // MULTIPLE, 1) * MULTIPLE, LARGEST)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.recipe.seed)
        network = Segmenter(len(palette))
    scorer = Scorer(network, palette, size, {"imtrans": imtrans.__version__}).to(chosen)
    with bar("training the scorer", steps) as on_step:
        for _ in _train(scorer, task, encoding, steps, chosen):
            on_step()
    scorer.facts |= {"data": data_of(task.recipe), "steps": str(steps)}
    _write(path, scorer)
    ceiling, photographs = _ceiling(task, path, encoding, chosen)
    return TrainedScorer(path, len(palette), ceiling, photographs)


def _label_maps(task: Task) -> tuple[Direct, Palette]:
    encoding, data = task.encoding, task.recipe.data
    if not isinstance(encoding, Direct) or not task.has_targets:
        raise ImtransError(
            "a scorer learns from pairs of label map and photograph; this recipe has none"
        )
    if data.target.dtype != "uint8" or data.target.channels not in (1, 3) or data.target.classes:
        raise ImtransError("a scorer labels photographs; the recipe's targets are none")
    palette = palette_of_sources(task, task.pairs)
    if palette is None:
        raise ImtransError(
            "the recipe's sources do not look like label maps (few colours that recur in all of "
            "them). is it the other direction? or name the colours: "
            "--set 'data.source.classes=[[R,G,B],...]'"
        )
    return encoding, palette


def _train(
    scorer: Scorer, task: Task, encoding: Direct, steps: int, device: torch.device
) -> Iterator[None]:
    network, precision = scorer.network.train(), choose_precision("auto", device)
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=1e-4)
    order = Order(task.recipe.seed, len(task.pairs), BATCH)
    batches = Batches(task.pairs, task.sampler, order, workers=0, pin=False).start(1, 0)
    for step, sample in zip(range(steps), batches, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
        labels, pictures = _example(scorer, encoding, sample, device)
        with autocast(device, precision):
            loss = cross_entropy(network(pictures).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield
    network.eval()


def _example(
    scorer: Scorer, encoding: Direct, sample: Sample, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The classes (N, size, size) and the pictures (N, 3, size, size) of a batch of pairs."""
    source, target = (side.to(device) for side in sample)
    pictures = encoding.target.encode(target).expand(-1, 3, -1, -1)
    at = interpolate(pictures, (scorer.size, scorer.size), mode="bilinear", antialias=True)
    return scorer.classes_of(source.float() / 127.5 - 1), at.contiguous(
        memory_format=torch.channels_last
    )


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise ImtransError(f"{path}: is a folder; name a file, as {path / 'my.safetensors'}")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            path.open("ab").close()


def _write(path: Path, scorer: Scorer) -> None:
    with _writing(path):
        write_whole(path, scorer.save())


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImtransError(f"{path}: cannot be written: {reason}") from error


def _ceiling(
    task: Task, path: Path, encoding: Direct, device: torch.device
) -> tuple[dict[str, float], int]:
    """What the scorer reaches on the real photographs that it has not learned from, and how many
    these are: those that can be read."""
    name, count = defaults.OF_SCORER, 0
    metric = task.catalog.metrics[name].build(scorer=str(path))
    for pair in task.validation_pairs:
        with suppress(ImtransError):  # `imtrans evaluate` names those that cannot be read
            sample = task.sampler.measured(pair, task.scale)
            source, target = encoding.encode(*(side[None].to(device) for side in sample))
            update(metric, SeenImages(encoding, source, target, target))
            count += 1
    return (values_of(name, metric) if count else {}), count
