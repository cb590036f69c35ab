"""What is installed: packages, optional ones, plugins, a compiler."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version

import torch

import imtrans
from imtrans.api.errors import ImtransError
from imtrans.checking.machine.finding import Finding
from imtrans.recipe.catalog import Catalog

COMPILERS = ("c++", "g++", "clang++", "cl")


def versions() -> Iterator[Finding]:
    """imtrans, Python, torch and every package that imtrans needs."""
    yield Finding(
        "imtrans",
        f"{imtrans.__version__}, Python {platform.python_version()}, {platform.platform()}",
    )
    yield Finding("torch", _torch())
    needed = [name for name, extra in _required() if extra is None and name != "torch"]
    if not needed:
        said = "imtrans is not installed here: its components cannot be found. pip install imtrans"
        yield Finding("packages", said, "wrong")
        return
    found = {name: _version(name) for name in needed}
    if missing := [name for name, number in found.items() if number is None]:
        yield Finding(
            "packages", f"missing: {', '.join(missing)}. pip install {' '.join(missing)}", "wrong"
        )
    here = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Finding("packages", here)


def _torch() -> str:
    cuda = f"CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None
    return f"{torch.__version__}, {cuda}" + (f", cuDNN {cudnn}" if cudnn else "")


def extras() -> Finding:
    """The optional packages that are here, and how to get the others."""
    told, missing = [], []
    for name, extra in _required():
        if extra is None or extra == "dev":
            continue
        number = _version(name)
        told.append(f"{name} {number or 'not installed'}")
        if number is None:
            missing.append(extra)
    if not missing:
        return Finding("extras", ", ".join(told) or "none")
    wanted = ",".join(dict.fromkeys(missing))
    return Finding("extras", f"{', '.join(told)}: pip install 'imtrans[{wanted}]'", "note")


def plugins(collect: Callable[[], Catalog]) -> Iterator[Finding]:
    """Who brings components, and what is broken."""
    try:
        catalog = collect()
    except ImtransError as error:
        yield Finding("plugins", str(error), "wrong")
        return
    count = sum(len(registry.names()) for registry in catalog.registries.values())
    who = sorted({f"{plugin.distribution} {plugin.version}" for plugin in catalog.plugins})
    yield Finding("plugins", f"{count} components from {', '.join(who)}")
    for broken in catalog.broken:
        yield Finding("plugins", broken, "wrong")


def compiler() -> Finding:
    """Whether torch.compile has what it needs."""
    named = os.environ.get("CXX")
    found = next(
        (path for name in (named, *COMPILERS) if name and (path := shutil.which(name))), None
    )
    if not found:
        said = "no C++ compiler: torch.compile cannot be used (train.compile). install g++ or clang"
        return Finding("compiler", said, "note")
    if torch.cuda.is_available() and sys.platform == "linux" and _version("triton") is None:
        said = f"{found}, but no triton: torch.compile cannot be used on CUDA. pip install triton"
        return Finding("compiler", said, "note")
    return Finding("compiler", f"{found}, for torch.compile")


def _required() -> list[tuple[str, str | None]]:
    """(package, extra) of everything that imtrans's distribution asks for, but itself."""
    try:
        lines = requires("imtrans") or []
    except PackageNotFoundError:
        return []
    found = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        name = re.split(r"[^\w.-]", requirement.strip())[0]
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        if name != "imtrans":
            found.append((name, extra[1] if extra else None))
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
