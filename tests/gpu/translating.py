"""Part `translate`: pictures through a generator, by itself and from file to file."""

from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from pairs import recipe_of
from report import table
from work import Work

from imtrans.benchmark.rounds import Spread, in_turns
from imtrans.data.drawn.pairs import draw_pairs
from imtrans.host.devices import Precision
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.translation.folder import translate_files
from imtrans.translation.jobs import plan
from imtrans.translation.loading import ready
from imtrans.translation.translator import Translator

SIZES = (256, 512, 1024)  # px
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
FILES, ROUNDS, LEAST = 500, 7, 0.3


def measure(work: Work) -> None:
    sizes = (128,) if work.smoke else SIZES
    work.take(
        {
            "networks": partial(_networks, work, sizes),
            "files": partial(_files, work),
        }
    )


def _networks(work: Work, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Images per second that are on the device already, one by one, both precisions in turns."""
    rows = []
    for size in sizes:
        source = torch.rand(1, 3, size, size, device=work.device) * 2 - 1
        calls = {name: partial(_translator(work, name).output, source) for name in PRECISIONS}
        rounds, least = (2, 0.0) if work.smoke else (ROUNDS, LEAST)
        seconds = in_turns(calls, rounds, work.wait, least)
        for name, row in seconds.items():
            ms = Spread.of(row).scaled(1e3)
            rows.append({"px": size, "precision": name, "ms": ms, "images/s": 1e3 / ms.median})
    return rows


def _files(work: Work) -> dict[str, Any]:
    """A folder of PNGs, read and written beside the network as `imtrans translate` does."""
    count = 4 if work.smoke else FILES
    with TemporaryDirectory(dir=work.out) as folder:
        inputs = _pictures(Path(folder), count, 128 if work.smoke else 256)
        translator = _translator(work, "fp32" if work.smoke else "bf16")
        jobs = plan(inputs, Path(folder, "outputs"), translator.encoding)
        translator(jobs[0].path)  # what libraries do once
        begun = perf_counter()
        outcome = translate_files(translator, jobs, None, lambda: None)
        seconds = perf_counter() - begun
    if outcome.done != count:
        raise RuntimeError(f"{outcome.done} of {count} translated: {outcome.broken[:3]}")
    return {"files": count, "s": seconds, "images/s": count / seconds}


def _pictures(folder: Path, count: int, size: int) -> Path:
    inputs = folder / "inputs"
    inputs.mkdir()
    drawn = []
    for number, (_, photo) in enumerate(draw_pairs(min(count, 20), seed=5, size=size)):
        drawn.append(inputs / f"{number:04d}.png")
        photo.save(drawn[-1])
    for number, one in enumerate(islice(cycle(drawn), count - len(drawn)), len(drawn)):
        copy(one, inputs / f"{number:04d}.png")
    return inputs


def _translator(work: Work, precision: Precision) -> Translator:
    """The recipe's generator with its first weights, as `load` gives a trained one."""
    task = Task(recipe_of(work), catalog())
    channels = task.encoding.source_channels
    module, _ = ready(task.translator("generator"), channels, precision=precision)
    return Translator(module, task.encoding, device=work.device, precision=precision)


def lines(results: dict[str, Any]) -> Iterator[str]:
    rows = results.get("networks") or []
    yield from table(("px", "precision", "ms", "images/s"), [row.values() for row in rows])
    if files := results.get("files"):
        yield ""
        yield (
            f"A folder of {files['files']} pictures, from file to file: {files['s']:.3g} s, "
            f"{files['images/s']:.4g} images/s."
        )
