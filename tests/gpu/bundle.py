"""Pack what `make gpu` needs on a bare machine into one folder: `python tests/gpu/bundle.py`.

There, with python3 and torch for CUDA but without a network, `sh run.sh` does the rest. Packing
needs a network: the wheels of other packages, for another version of Python, come from PyPI.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pairs import pairs_in
from place import commit

ROOT = Path(__file__).parents[2]
OURS = (
    ROOT,
    *(ROOT / "plugins" / f"imtrans-{name}" for name in ("bridge", "cyclegan", "pix2pixhd")),
)
ROOTS = ("imtrans", "imtrans-cyclegan", "pytest")
THERE = "torch"  # is on the machine, with what it brings
# What the tests for a GPU need; golden numbers and examples of damage are for others.
TESTS = ("tests/gpu", "tests/conftest.py", "tests/training", "tests/given/*.py")
USUAL = Path("datasets/facades")
LIMIT = 60 * 10**6  # bytes


def main() -> int:
    wanted = _wanted()
    shutil.rmtree(wanted.out, ignore_errors=True)
    (wanted.out / "wheels").mkdir(parents=True)
    build(wanted.out / "wheels")
    names = wheels(wanted.python, wanted.without)
    print(f"wheels for Python {wanted.python}: {', '.join(names)}", flush=True)
    download(names, wanted.python, wanted.platform, wanted.out / "wheels")
    copy_tests(wanted.out)
    data = wanted.data or (USUAL.resolve() if USUAL.is_dir() else None)
    if data:
        pack(data, wanted.out / "data.tar")
    print(f"pairs: {data or 'none; the parts will draw some'}", flush=True)
    return weighed(wanted.out)


def _wanted() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="3.12", help="of that machine (3.12)")
    parser.add_argument("--platform", default="manylinux_2_28_x86_64", help="of its wheels")
    parser.add_argument("--data", type=pairs_in, help=f"train/ and val/; {USUAL} if it is there")
    parser.add_argument("--out", type=Path, default=Path("gpu-bundle"), help="(gpu-bundle)")
    parser.add_argument(
        "--without",
        type=lambda text: text.split(",") if text else [],
        default=["pillow"],
        help="what the machine has, besides torch, as in numpy,rich (pillow)",
    )
    return parser.parse_args()


def wheels(python: str, without: Iterable[str] = ()) -> list[str]:
    """What imtrans, CycleGAN and pytest need, pinned as it is installed here: all but torch and
    what it brings, and our own. Sorted."""
    there = _needed([THERE], python) | {canonicalize_name(name) for name in without}
    ours = {canonicalize_name(name) for name in ROOTS[:2]}
    needed = _needed(ROOTS, python) - there - ours
    return sorted(f"{name}=={distribution(name).version}" for name in needed)


def _needed(roots: Iterable[str], python: str) -> set[str]:
    """These distributions and all that they need, without extras, on a Linux of that Python."""
    found, left = set[str](), [canonicalize_name(root) for root in roots]
    where = {"extra": "", "python_version": python, "python_full_version": f"{python}.0"}
    where |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    while left:
        name = left.pop()
        if name in found:
            continue
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:  # as for another system: torch brings what it needs
            continue
        found.add(name)
        needed = [Requirement(line) for line in lines]
        left += [
            canonicalize_name(one.name)
            for one in needed
            if one.marker is None or one.marker.evaluate(where)
        ]
    return found


def build(folder: Path) -> None:
    """Our own wheels: plugins are found by the metadata of what is installed."""
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), *map(str, OURS))


def download(names: Iterable[str], python: str, platform: str, folder: Path) -> None:
    """The wheels of others, or of a platform before it that they are made for."""
    older = [platform, "manylinux_2_17_x86_64", "manylinux2014_x86_64"]
    platforms = [word for name in dict.fromkeys(older) for word in ("--platform", name)]
    chosen = ("--only-binary=:all:", "--no-deps", "--python-version", python, *platforms)
    pip("download", *chosen, "--dest", str(folder), *names)


def pip(command: str, *words: str) -> None:
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([sys.executable, "-m", "pip", command, *quiet, *words], check=True)


def copy_tests(folder: Path) -> None:
    """The script, the tests for a GPU, the command that runs it all, and the commit."""
    for pattern in TESTS:
        for source in sorted(ROOT.glob(pattern)):
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
    shutil.copy(ROOT / "pyproject.toml", folder)  # the options of pytest
    shutil.copy(Path(__file__).with_name("run.sh"), folder)
    (folder / "COMMIT").write_text(commit() + "\n")


def pack(data: Path, file: Path) -> None:
    with tarfile.open(file, "w") as archive:
        for split in ("train", "val"):
            archive.add(data / split, f"{data.name}/{split}")


def weighed(folder: Path) -> int:
    """Say how large the bundle is; the exit code."""
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    total = sum(sizes.values())
    print(f"{folder}: {total / 1e6:.1f} MB in {len(sizes)} files", flush=True)
    if total <= LIMIT:
        print("copy it to the machine with a GPU and run there: sh run.sh", flush=True)
        return 0
    largest = sorted(sizes, key=lambda path: -sizes[path])[:4]
    shown = ", ".join(f"{path.name} {sizes[path] / 1e6:.1f} MB" for path in largest)
    print(f"error: more than {LIMIT / 1e6:.0f} MB; the largest: {shown}", flush=True)
    print("leave out what the machine has, as with --without numpy,pillow", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
