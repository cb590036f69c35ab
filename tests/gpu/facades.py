"""Part `facades`: the whole command `imtrans train`, with what it writes and without, and what its
time is spent on."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import time
from typing import Any

import stopwatch
from drawing import curves, save_small
from pairs import settings
from report import table
from work import PutOff, Work

from imtrans.data.pairs import spread
from imtrans.data.pixels import images
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.journal import NO_LOSS
from imtrans.task import Task
from imtrans.translation.loading import load
from imtrans.translation.translator import Translator

NEVER = 10**9  # steps
QUIET = (f"train.sample_every={NEVER}", f"train.checkpoint_every={NEVER}", "validate.metrics=[]")
SMALL = ("train.epochs=1", "train.decay_from=1", "train.log_every=2")
PICTURES = 8
SAVING = 60.0  # seconds in which an interrupted training saves


def measure(work: Work) -> None:
    whole, quiet = work.out / "facades", work.out / "facades-quiet"
    for run_dir in (whole, quiet):
        if not work.continued:
            shutil.rmtree(run_dir, ignore_errors=True)
    work.take(
        {
            "as it is": partial(_trained, work, whole),
            "without writing": partial(_trained, work, quiet, *QUIET),
            "curves": partial(_curves, work, whole),
            "pictures": partial(_pictures, work, whole),
        }
    )


def _trained(work: Work, run_dir: Path, *overrides: str) -> dict[str, Any]:
    """Train to the end, or as far as the minutes go: the next call resumes the run."""
    chosen = settings(work, *overrides, *(SMALL if work.smoke else ()), 'logger=["stopwatch"]')
    words = ["--run-dir", str(run_dir), "--device", str(work.device)]
    words += [word for one in chosen for word in ("--set", one)]
    command = [sys.executable, "-m", "imtrans", "train", "facades", *words]
    begun = time()
    log = work.out / f"{run_dir.name}.log"
    with log.open("a", encoding="utf-8") as told:
        process = subprocess.Popen(
            command, stdout=told, stderr=subprocess.STDOUT, env=_with_stopwatch(work)
        )
        interrupted = _ended(process, max(work.left(), 10.0))
    ended = time()
    last = " | ".join(log.read_text(encoding="utf-8").splitlines()[-4:])
    if interrupted:
        raise PutOff("interrupted; its run resumes")
    if process.returncode:
        raise RuntimeError(f"it ended with exit code {process.returncode}: {last}")
    return {"overrides": list(overrides), **_split(run_dir, begun, ended), "last lines": last}


def _ended(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Wait for a training; whether it had to be interrupted."""
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(SAVING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return True


def _with_stopwatch(work: Work) -> dict[str, str]:
    """An environment in which the stopwatch is an installed plugin."""
    folder = work.out / "stopwatch"
    about = folder / "imtrans_stopwatch-0.1.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    shutil.copy(stopwatch.__file__, folder / "stopwatch.py")
    metadata = "Metadata-Version: 2.1\nName: imtrans-stopwatch\nVersion: 0.1\n"
    (about / "METADATA").write_text(metadata)
    (about / "entry_points.txt").write_text("[imtrans]\nstopwatch = stopwatch\n")
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _split(run_dir: Path, begun: float, ended: float) -> dict[str, Any]:
    """What the seconds of all sessions were spent on; start and end are those of the last."""
    lines = (run_dir / stopwatch.FILE).read_text(encoding="utf-8").splitlines()
    sessions = [json.loads(line) for line in lines]
    spent, counts = Counter[str](), Counter[str]()
    for session in sessions:
        spent.update(session["seconds"])
        counts.update(session["counts"])
    last = sessions[-1]
    start, end = last["began"] - begun, ended - last["ended"]
    return {
        "sessions": len(sessions),
        "s": start + sum(one["ended"] - one["began"] for one in sessions) + end,
        "spent": {"start": start, **spent, "end": end},
        "counts": counts,
        "waiting for data": sum(one["waiting"] for one in sessions),
        "ms a step": spent["steps"] / max(counts["steps"], 1) * 1e3,
    }


def _curves(work: Work, run_dir: Path) -> dict[str, Any]:
    """Losses and metrics as pictures, and the metrics at the end and at their best."""
    losses, metrics = (_read(run_dir / f"{name}.jsonl") for name in ("metrics", "validation"))
    shown = [key for key in losses[0] if key not in NO_LOSS] if losses else []
    files = [
        _drawn(work, "losses-adversarial", losses, [name for name in shown if name != "l1"]),
        _drawn(work, "losses-l1", losses, [name for name in shown if name == "l1"]),
        _drawn(work, "steps-per-second", losses, ["images_per_second"]),
    ]
    measured = [key for key in metrics[0] if key not in ("step", "epoch")] if metrics else []
    files += [_drawn(work, f"validation-{name}", metrics, [name]) for name in measured]
    return {"files": files, "validation": {"first": metrics[:1], "last": metrics[-1:]}}


def _drawn(work: Work, title: str, rows: list[dict[str, float]], names: list[str]) -> str:
    lines = {name: [(row["step"], row[name]) for row in rows if name in row] for name in names}
    return save_small(curves(title, lines), work.out / f"{title}.png")


def _read(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _pictures(work: Work, run_dir: Path) -> dict[str, Any]:
    """Validation pairs as source | output | target."""
    recipe = recipes.read(run_dir / "recipe.toml", ["logger=[]"], catalog(), old=True)
    task = Task(recipe, catalog())
    translator = load(run_dir, device=str(work.device))
    pairs = task.validation_pairs
    chosen = spread(len(pairs), PICTURES)
    rows = [_row(task, translator, pairs[index]) for index in chosen]
    grid = images.to_image(images.grid(rows))
    names = [pairs[index].name for index in chosen]
    return {"files": [save_small(grid, work.out / "pictures.png")], "pairs": names}


def _row(task: Task, translator: Translator, pair: Any) -> list[Any]:
    sides = task.sampler.scaled(pair, task.scale, task.target_scale)
    batch = (side[None].to(translator.device) for side in sides)
    source, target = task.encoding.encode(*batch)
    encoding, output = task.encoding, translator.output(source)
    row = (encoding.show_source(source), encoding.show_target(output, source))
    return [*row, encoding.show_target(target, source)]


def lines(results: dict[str, Any]) -> Iterator[str]:
    runs = {name: results[name] for name in ("as it is", "without writing") if name in results}
    kinds = list(dict.fromkeys(kind for run in runs.values() for kind in run["spent"]))
    rows = [
        ("whole command, s", *(run["s"] for run in runs.values())),
        *((f"{kind}, s", *(run["spent"].get(kind) for run in runs.values())) for kind in kinds),
        ("waiting for data, s", *(run["waiting for data"] for run in runs.values())),
        ("ms a step", *(run["ms a step"] for run in runs.values())),
    ]
    yield from table(("facades", *runs), rows if runs else [])
    for name, run in runs.items():
        if run["sessions"] > 1:
            yield f"- {name}: in {run['sessions']} sessions, of which one start is counted"
    if found := results.get("curves"):
        yield ""
        yield from table(("validation", "first", "last"), _ends(found["validation"]))
        yield ""
    for name in ("curves", "pictures"):
        for file in (results.get(name) or {"files": []})["files"]:
            yield f"![{file}]({file})"


def _ends(validation: dict[str, list[dict[str, float]]]) -> list[tuple[str, float, float]]:
    """Each metric before the first step and after the last."""
    if not validation["first"] or not validation["last"]:
        return []
    first, last = validation["first"][0], validation["last"][0]
    return [(name, first[name], last[name]) for name in first if name in last]
