"""Trainings that are killed and started again, and what each leaves behind.

A process of its own imports torch once and then forks one training after another: one start costs
milliseconds, so that hundreds of kills take minutes. Shared by test_kills.py, test_faults.py and
soak.py; the process needs fork and sigtimedwait, as Linux has.
"""

import json
import mmap
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from pathlib import Path
from pkgutil import resolve_name
from tempfile import TemporaryDirectory
from typing import Any, Self

RECIPE = """
[data]
root = "{root}"
load_size = 72
crop_size = 64
flip = true

[[augment]]
name = "rot90"

[[augment]]
name = "noise"

[generator]
name = "resnet_6"
width = 4

[discriminator]
name = "patch_16"
width = 4

[adversarial]
name = "vanilla"

[[loss]]
name = "l1"
weight = 100.0

[train]
epochs = 2
precision = "fp32"
log_every = 2
validate_every = 2
checkpoint_every = 3
sample_every = 5
"""
# Both engines, with and without loading processes, an average, a cache.
CELLS = {
    "plain, 0 workers": ("train.engine=plain", "data.workers=0"),
    "plain, 2 workers, ema": ("train.engine=plain", "data.workers=2", "train.ema=0.9"),
    "fast, 0 workers, ema, cache": (
        *("train.engine=fast", "data.workers=0", "train.ema=0.9", "data.cache=true"),
    ),
    "fast, 2 workers": ("train.engine=fast", "data.workers=2"),
}
# What a training is at, by the function that does it; the innermost counts.
PHASES = {
    "starting": "",
    "caching": "imtrans.training.fit:obtain",
    "taking up": "imtrans.training.fit:take_up",
    "beginning": "imtrans.runs.run_dir:RunDir.begin",
    "stepping": "imtrans.training.loop:Sitting._step",
    "logging": "imtrans.runs.run_dir:RunDir.log",
    "sampling": "imtrans.training.loop:Sitting._sample",
    "validating": "imtrans.training.loop:Sitting._validate",
    "writing a checkpoint": "imtrans.runs.checkpoint:save",
    "removing a checkpoint": "imtrans.training.loop:checkpoint.remove",
}
SPEEDS = {"images_per_second", "waiting"}


def command(root: Path, cell: str, run_dir: Path) -> list[str]:
    """What starts a training of a cell, and starts it again; writes its recipe beside it."""
    recipe = run_dir.parent / "killed.toml"
    if not recipe.exists():
        recipe.write_text(RECIPE.format(root=root.as_posix()))
    settings = [word for setting in CELLS[cell] for word in ("--set", setting)]
    return ["train", str(recipe), "--run-dir", str(run_dir), "--device", "cpu", *settings]


class Trainer:
    """Runs commands of imtrans, one after another, each in a process of its own."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, arguments: list[str], **kill: object) -> dict[str, Any]:
        """Run a command to its end, or to its kill: `after` seconds, or at the `nth` call of
        `at` (`module:name`), `when` "before", "inside" or "after" it.

        Returns the exit code (-9 when killed), what it printed, its seconds, and its phase when
        it ended.
        """
        log = Path(arguments[3] + ".log")
        # Each run builds the cache of its own.
        order = {"arguments": arguments, "log": str(log), "caches": arguments[3] + ".caches"}
        self._process.stdin.write(json.dumps(order | kill) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that forks trainings ended"
        return json.loads(answer) | {"out": log.read_text(errors="replace")}


def traces(run_dir: Path) -> dict[str, Any]:
    """All that a run left behind, but for speeds: file -> content, to be compared."""
    found: dict[str, Any] = {}
    for path in sorted(run_dir.rglob("*")):
        name = path.relative_to(run_dir).as_posix()
        if path.is_dir() or ".damaged" in name:
            continue
        if path.suffix == ".jsonl":
            found[name] = rows(path)
        elif path.suffix == ".safetensors":
            found[name] = _tensors(path)
        elif path.name != "SHA256SUMS":  # which differ: a header's facts have no order
            found[name] = path.read_bytes()
    return found


def rows(path: Path) -> list[dict[str, Any]]:
    """A journal without what depends on the clock. Fails on a torn line."""
    read = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in row.items() if k not in SPEEDS} for row in read]


def differences(run_dir: Path, expected: dict[str, Any]) -> list[str]:
    """What differs from the traces of an uninterrupted run, in words."""
    found = traces(run_dir)
    told = [f"{name}: not there" for name in expected if name not in found]
    told += [f"{name}: left over" for name in found if name not in expected]
    for name in sorted(found.keys() & expected.keys()):
        if found[name] != expected[name]:
            told.append(f"{name}: differs" + _difference(found[name], expected[name]))
    for journal in ("metrics.jsonl", "validation.jsonl"):
        steps = [row["step"] for row in found.get(journal, [])]
        if steps != sorted(set(steps)):
            told.append(f"{journal}: the steps are {steps}")
    return told


def _difference(found: Any, expected: Any) -> str:
    if isinstance(found, list):
        return f": {[row for row in found if row not in expected][:2]}"
    return f": {len(found)} and {len(expected)} bytes or keys"


def _tensors(path: Path) -> dict[str, Any]:
    """The tensors' places and bytes, and the facts in the header, whatever their order."""
    content = path.read_bytes()
    length = 8 + int.from_bytes(content[:8], "little")
    return {"header": json.loads(content[8:length]), "bytes": content[length:]}


# --- meddling: something happens at the n-th call of a function ---


def meddled(
    function: Callable, nth: int, when: str, act: Callable[[], Any], lasting: bool = False
) -> Callable:
    """The function, but `act` is called before its n-th call, after it, or when it is half done;
    `lasting`: at all later calls too."""
    calls = iter(range(1, 1_000_000))

    @wraps(function)
    def meddling(*args: Any, **kwargs: Any) -> Any:
        call = next(calls)
        if call < nth or (call > nth and not lasting):
            return function(*args, **kwargs)
        if when == "before":
            act()
        elif when == "inside":
            HALVES[function.__name__](function, *args, **kwargs)
            act()
        result = function(*args, **kwargs)
        if when == "after":
            act()
        return result

    return meddling


def _half_a_file(really: Callable, tensors: Any, path: Path, **kwargs: Any) -> None:
    really(tensors, path, **kwargs)
    os.truncate(path, path.stat().st_size // 2)


def _half_a_line(_: Callable, journal: Any, record: dict[str, Any]) -> None:
    with journal.path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record)[:17])


def _half_a_partial(_: Callable, path: Path, content: bytes) -> None:
    path.with_name(f".{path.name}.partial").write_bytes(content[: len(content) // 2])


def _half_of_the_sums(really: Callable, folder: Path) -> None:
    os.truncate(really(folder), 100)


def _half_a_removal(_: Callable, folder: Path) -> None:
    gone = folder.rename(folder.with_name(f".{folder.name}.gone"))
    for path in sorted(gone.iterdir())[:2]:
        path.unlink()


HALVES = {
    "save_file": _half_a_file,
    "append": _half_a_line,
    "write_whole": _half_a_partial,
    "write_sums": _half_of_the_sums,
    "remove": _half_a_removal,
}


def resolved(target: str) -> tuple[Any, str]:
    """The module or class that a function `module:name.name` stands in, and its name there."""
    module, _, path = target.partition(":")
    *owner, name = path.split(".")
    return resolve_name(f"{module}:{'.'.join(owner)}"), name


def patch(target: str, change: Callable[[Callable], Callable]) -> None:
    """Replace the function `module:name.name` by what `change` makes of it."""
    place, name = resolved(target)
    setattr(place, name, change(getattr(place, name)))


# --- the process that forks ---


def serve() -> None:
    """Fork a training for each line on stdin; answer each with a line on stdout."""
    import torch

    torch.set_num_threads(1)
    _warm_up()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    phase = mmap.mmap(-1, 1)  # shared with the children
    for line in sys.stdin:
        order, begun = json.loads(line), time.monotonic()
        phase[0] = 0
        child = os.fork()
        if child == 0:
            _train(order, phase)
        if "after" in order:
            signal.sigtimedwait({signal.SIGCHLD}, order["after"])
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        signal.sigtimedwait({signal.SIGCHLD}, 0)  # noted; the next wait is for the next child
        answer = {"code": code, "phase": list(PHASES)[phase[0]]}
        print(json.dumps(answer | {"seconds": time.monotonic() - begun}), flush=True)


def _warm_up() -> None:
    """Train once, so that whatever is imported or made ready at first use is there to be forked."""
    from drawn import write_pairs

    with TemporaryDirectory() as folder, open(os.devnull, "w") as nothing:
        write_pairs(Path(folder) / "train", 2)
        cell, run_dir = next(iter(CELLS)), Path(folder) / "run"
        with redirect_stdout(nothing):
            _command([*command(Path(folder), cell, run_dir), "--set", "train.epochs=1"])


def _train(order: dict[str, Any], phase: mmap.mmap) -> None:
    """In the child: arrange for the kill, run the command, end."""
    code: object = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        with open(os.devnull) as nothing, open(order["log"], "w") as log:
            for stream, number in ((nothing, 0), (log, 1), (log, 2)):
                os.dup2(stream.fileno(), number)
        os.environ["IMTRANS_CACHE"] = order["caches"]
        for number, target in enumerate(PHASES.values()):
            if target:
                patch(target, lambda function, n=number: _noting(function, phase, n))
        if "at" in order:
            nth, when = order.get("nth", 1), order.get("when", "before")
            patch(order["at"], lambda function: meddled(function, nth, when, _die))
        code = _command(order["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _command(arguments: list[str]) -> object:
    from imtrans.cli.main import main

    sys.argv = ["imtrans", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0


def _noting(function: Callable, phase: mmap.mmap, number: int) -> Callable:
    @wraps(function)
    def noting(*args: Any, **kwargs: Any) -> Any:
        before, phase[0] = phase[0], number
        try:
            return function(*args, **kwargs)
        finally:
            phase[0] = before

    return noting


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve()
