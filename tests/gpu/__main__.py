"""Measure imtrans on a GPU, and write gpu.json and gpu.md: `python tests/gpu [--part steps]`.

Each part ends within its minutes and writes what it found as it finds it. The same command goes on
where it stopped; --again measures anew. Ends with exit code 1 if a part failed, and with 2 where
there is no CUDA device.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import torch
from pairs import pairs_in
from parts import PARTS
from place import place
from report import write_report
from results import FAILED, FINISHED, Results
from work import Work

GRACE = 90.0  # seconds after its minutes, in which a part may end what it has begun


def main() -> int:
    wanted = _wanted()
    if not wanted.smoke and not torch.cuda.is_available():
        print("no CUDA device here; --smoke tries every part in miniature on a CPU", flush=True)
        return 2
    os.environ["PYTHONUNBUFFERED"] = "1"
    wanted.out.mkdir(parents=True, exist_ok=True)
    os.environ["IMTRANS_CACHE"] = str((wanted.out / "caches").resolve())
    if wanted.inside:
        return _inside(wanted)
    here = place(_device(wanted), wanted.data, smoke=wanted.smoke)
    parts = wanted.part or list(PARTS)
    for part in parts:
        if Results(wanted.out).is_finished(part, here) and not wanted.again:
            print(f"{part}: finished before; --again measures it anew", flush=True)
            continue
        _measure(part, wanted, here)
        write_report(wanted.out)
    return _told(parts, wanted.out)


def _wanted() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--part", type=_parts, help="some of: " + ", ".join(PARTS))
    parser.add_argument("--minutes", type=float, default=7.5, help="that a part may take (7.5)")
    parser.add_argument("--out", type=Path, default=Path("gpu-results"), help="(gpu-results)")
    parser.add_argument(
        "--data", type=pairs_in, help="train/ and val/ of side-by-side pictures; else drawn pairs"
    )
    parser.add_argument("--again", action="store_true", help="what was finished, too")
    parser.add_argument("--smoke", action="store_true", help="in miniature, on a CPU")
    parser.add_argument("--apart", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part '{unknown[0]}'; there are {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def _device(wanted: argparse.Namespace) -> torch.device:
    return torch.device("cpu" if wanted.smoke else "cuda")


def _measure(part: str, wanted: argparse.Namespace, here: dict[str, object]) -> None:
    """One part: on a GPU in a process of its own, as a fault there spoils all that follows."""
    print(f"{part}: at most {wanted.minutes:g} minutes", flush=True)
    results, begun = Results(wanted.out), time.monotonic()
    if wanted.again:
        results.parts.pop(part, None)
    command = shlex.join(["python", "tests/gpu", *sys.argv[1:]])
    results.begin(part, here, command, time.strftime("%Y-%m-%d %H:%M:%S"))
    if wanted.apart or not wanted.smoke:
        reason = _in_own_process(part, wanted)
        results = Results(wanted.out)
        if reason:
            results.fail(part, "the process", reason)
            results.end(part, time.monotonic() - begun, whole=False)
    else:
        _run(part, wanted, results)
    found = Results(wanted.out).parts[part]
    print(f"{part}: {found['status']} after {found['seconds']:g} s", flush=True)


def _in_own_process(part: str, wanted: argparse.Namespace) -> str | None:
    """The part in a process; the reason why it did not end by itself, if it did not."""
    words = ["--part", part, "--inside", "--minutes", str(wanted.minutes), "--out", wanted.out]
    words += ["--data", wanted.data] if wanted.data else []
    words += ["--smoke"] if wanted.smoke else []
    command = [sys.executable, str(Path(__file__).parent), *map(str, words)]
    limit = wanted.minutes * 60 + GRACE
    process = subprocess.Popen(command, start_new_session=True)
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        return f"it was ended after {limit:.0f} s"
    finally:
        if process.poll() is None:  # with all that it has started
            os.killpg(process.pid, signal.SIGKILL)
    return f"it ended with exit code {code}" if code else None


def _inside(wanted: argparse.Namespace) -> int:
    (part,) = wanted.part
    _run(part, wanted, Results(wanted.out))
    return 0


def _run(part: str, wanted: argparse.Namespace, results: Results) -> None:
    seconds, device = wanted.minutes * 60, _device(wanted)
    out = wanted.out.resolve()
    work = Work(part, results, device, wanted.smoke, seconds, out, wanted.data)
    try:
        import_module(PARTS[part]).measure(work)
    except Exception as error:
        work.whole = False
        results.fail(part, "the part", f"{type(error).__name__}: {error}")
    results.end(part, time.monotonic() - work.begun, whole=work.whole)


def _told(parts: list[str], out: Path) -> int:
    """The last lines, and the exit code."""
    found = Results(out).parts
    rest = {part: found[part]["status"] for part in parts if found[part]["status"] != FINISHED}
    for part, status in rest.items():
        print(f"{part}: {status}; the same command goes on with it", flush=True)
    print(f"results: {out / 'gpu.md'} and {out / 'gpu.json'}", flush=True)
    return 1 if FAILED in rest.values() else 0


if __name__ == "__main__":
    sys.exit(main())
