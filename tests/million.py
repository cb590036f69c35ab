"""Start, memory and cost per step with a million pairs: `python tests/million.py [--pairs N]`.

Writes tiny pictures (8 x 8 px, a few distinct ones) as 100 tar files, and fewer of them as folders
and as a table, because a file system takes minutes for millions of files. Each line is measured in
a process of its own: the start, from `import imtrans` to the first batch of two workers, without
and with the index; its peak memory and that of the largest worker; and the time per batch against
1,000 pairs, in turns. Takes 2.1 GB on the disk for a million pairs, which are removed at the end.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from tempfile import TemporaryDirectory

SIDE = 8  # px
DISTINCT = 8
SHARDS = 100
FEW = 1000  # pairs that the cost per step is compared with
MOST_FILES = 200_000  # pairs of folders and of a table: two files each
STEPS, ROUNDS, BATCH = 200, 7, 4
RECIPE = """
[data]
root = "{root}"
layout = {layout}
crop_size = 8
workers = {workers}
cache = false
[generator]
name = "resnet_6"
[discriminator]
name = "patch_16"
[adversarial]
name = "vanilla"
[[loss]]
name = "l1"
[train]
epochs = 1
batch_size = 4
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--layout", action="append", choices=WRITERS, help="all of them by default")
    parser.add_argument("--folder", type=Path, help="where the pairs are kept for another time")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)  # what a child is told
    wanted = parser.parse_args()
    if wanted.measure:
        print(json.dumps(MEASURES[wanted.measure[0]](json.loads(wanted.measure[1]))))
        return
    with TemporaryDirectory(prefix="million", dir=wanted.folder and wanted.folder.parent) as made:
        folder = wanted.folder or Path(made)
        os.environ["IMTRANS_CACHE"] = str(Path(made, "caches"))
        for layout in wanted.layout or WRITERS:
            compare(layout, folder, wanted.pairs)


def compare(layout: str, folder: Path, pairs: int) -> None:
    """Print the lines of one layout."""
    count = pairs if layout == "shards" else min(pairs, MOST_FILES)
    many, few = (written(layout, folder / f"{layout}-{n}", n) for n in (count, FEW))
    shutil.rmtree(os.environ["IMTRANS_CACHE"], ignore_errors=True)
    for start in ("first", "again"):
        found = measured("start", many)
        parts = ", ".join(f"{what} {seconds:.1f}" for what, seconds in found["parts"].items())
        print(
            f"{layout:8} {count:9,} pairs  start ({start}) {found['seconds']:5.1f} s ({parts}; "
            f"{found['cpu']:.1f} of the processor); "
            f"peak {found['peak']:.0f} MB, worker {found['worker']:.0f} MB "
            f"of which its own {found['own']:.0f} MB",
            flush=True,
        )
    turns = measured("steps", [many, few])
    print(
        f"{layout:8} {count:9,} pairs  {turns['many']:.3f} ms a batch of {BATCH}; "
        f"{turns['few']:.3f} ms with {FEW:,} pairs; ratio {turns['ratio']:.3f} "
        f"({turns['low']:.3f} ... {turns['high']:.3f}); "
        f"order of an epoch {turns['order']:.0f} ms",
        flush=True,
    )


def measured(what: str, of: object) -> dict:
    command = [sys.executable, __file__, "--measure", what, json.dumps(of)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ended.stdout)


# --- what a child measures ---


def start(recipe: str) -> dict:
    """Seconds to the first batch; peak memory of this process and of its workers, in MB."""
    began = last = time.perf_counter()
    parts = {}

    def lap(what: str) -> None:
        nonlocal last
        parts[what], last = time.perf_counter() - last, time.perf_counter()

    task = task_of(recipe, workers=2)
    lap("import")
    assert len(task.pairs)
    lap("pairs")
    assert task.files_sum
    lap("sum")
    from imtrans.data.draws import Order
    from imtrans.data.loader import Batches

    order = Order(task.recipe.seed, len(task.pairs), BATCH)
    batches = Batches(task.pairs, task.sampler, order, workers=2, pin=False).start(1, 0)
    next(batches)
    lap("batch")
    seconds, cpu = time.perf_counter() - began, time.process_time()
    for _ in range(STEPS):
        next(batches)
    workers = [status(child) for child in children()]
    del batches
    return {
        "seconds": seconds,
        "cpu": cpu,
        "parts": parts,
        "peak": status(os.getpid())["VmHWM"],
        "worker": max(worker["VmHWM"] for worker in workers),
        "own": max(worker["own"] for worker in workers),
    }


def steps(recipes: list[str]) -> dict:
    """Milliseconds a batch, in turns; loading alone, in this process."""
    from imtrans.data.draws import Order
    from imtrans.data.loader import Batches

    tasks = [task_of(recipe, workers=0) for recipe in recipes]
    orders = [Order(task.recipe.seed, len(task.pairs), BATCH) for task in tasks]
    walks = [
        Batches(task.pairs, task.sampler, order, workers=0, pin=False).start(1, 0)
        for task, order in zip(tasks, orders, strict=True)
    ]
    rounds = [[timed(walk) for walk in walks] for _ in range(ROUNDS + 1)][1:]
    ratios = sorted(many / few for many, few in rounds)
    began = time.perf_counter()
    next(orders[0].of_epoch(1))
    return {
        "many": statistics.median(many for many, _ in rounds),
        "few": statistics.median(few for _, few in rounds),
        "ratio": statistics.median(ratios),
        "low": ratios[0],
        "high": ratios[-1],
        "order": (time.perf_counter() - began) * 1e3,
    }


def timed(walk) -> float:
    # Of the processor: what a busy machine or its disk adds is no cost of ours.
    began = time.process_time()
    for _ in range(STEPS):
        next(walk)
    return (time.process_time() - began) / STEPS * 1e3


def task_of(recipe: str, workers: int):
    from imtrans.recipe import reading
    from imtrans.recipe.catalog import catalog
    from imtrans.task import Task

    text = Path(recipe).read_text().replace("{workers}", str(workers))
    return Task(reading.parse(text, recipe, (), catalog()), catalog())


def children() -> list[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(number) for number in listed.split()]


def status(process: int) -> dict[str, float]:
    """Megabytes of a process: its peak, and what it shares with no other."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    own = sum(int(line.split()[1]) for line in rollup if line.startswith("Private"))
    return {"VmHWM": peak / 1024, "own": own / 1024}


MEASURES = {"start": start, "steps": steps}


# --- the pairs ---


def written(layout: str, root: Path, count: int) -> str:
    """The recipe of so many pairs, which are written unless they are there."""
    recipe = root.with_suffix(".toml")
    if not recipe.is_file():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        stored = WRITERS[layout](root, count)
        recipe.write_text(RECIPE.format(root=root, layout=stored, workers="{workers}"))
    return str(recipe)


def pictures() -> list[bytes]:
    from PIL import Image

    found = []
    for number in range(DISTINCT):
        memory = io.BytesIO()
        Image.new("RGB", (SIDE, SIDE), (number * 30, 200 - number * 20, 90)).save(memory, "png")
        found.append(memory.getvalue())
    return found


def write_shards(root: Path, count: int) -> str:
    contents = pictures()
    padded = [content + bytes(-len(content) % 512) for content in contents]
    shards = min(SHARDS, count)
    for shard in range(shards):
        with open(root / f"train-{shard:03d}.tar", "wb") as file:
            for number in range(shard * count // shards, (shard + 1) * count // shards):
                for place, side in enumerate(("source", "target")):
                    which = (number + place) % DISTINCT
                    info = tarfile.TarInfo(f"{number:07d}.{side}.png")
                    info.size = len(contents[which])
                    file.write(info.tobuf(tarfile.USTAR_FORMAT) + padded[which])
            file.write(bytes(10240))
    return '"shards"'


def write_folders(root: Path, count: int) -> str:
    write_files(root / "trainA", root / "trainB", count)
    return '"folders"'


def write_table(root: Path, count: int) -> str:
    rows = write_files(root / "a", root / "b", count)
    lines = [f"a/{name},b/{name}" for name in rows]
    (root / "train.csv").write_text("\n".join(["source,target", *lines]) + "\n")
    return '{ name = "table", file = "train.csv" }'


def write_files(a: Path, b: Path, count: int) -> list[str]:
    """A thousand files in a folder."""
    contents = pictures()
    names = [f"{number // 1000:04d}/{number:07d}.png" for number in range(count)]
    for place, side in enumerate((a, b)):
        for thousand in range(-(-count // 1000)):
            (side / f"{thousand:04d}").mkdir(parents=True)
        for number, name in enumerate(names):
            (side / name).write_bytes(contents[(number + place) % DISTINCT])
    return names


WRITERS = {"shards": write_shards, "folders": write_folders, "table": write_table}


if __name__ == "__main__":
    main()
