"""The software: packages, optional packages, plugins, a compiler."""

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
from imtrans.checking.finding import Finding
from imtrans.recipe.catalog import Catalog

COMPILERS = ("c++", "g++", "clang++", "cl")


def versions() -> Iterator[Finding]:
    """The versions of imtrans, Python, torch and every package that imtrans requires."""
    yield Finding(
        "imtrans",
        f"{imtrans.__version__}, Python {platform.python_version()}, {platform.platform()}",
    )
    yield Finding("torch", _torch())
    needed = [name for name, extra in _required() if extra is None and name != "torch"]
    if not needed:
        message = "imtrans is not installed as a package, so its components cannot be found"
        yield Finding("packages", message, "error", remedy="pip install imtrans")
        return
    found = {name: _version(name) for name in needed}
    if missing := [name for name, number in found.items() if number is None]:
        remedy = f"pip install {' '.join(missing)}"
        yield Finding("packages", f"missing: {', '.join(missing)}", "error", remedy=remedy)
    installed = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Finding("packages", installed)


def _torch() -> str:
    cuda = f"CUDA {torch.version.cuda}" if torch.version.cuda else "built without CUDA"
    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None
    return f"{torch.__version__}, {cuda}" + (f", cuDNN {cudnn}" if cudnn else "")


def extras() -> Finding:
    """The optional packages that are installed, and how to get the others."""
    listed, missing = [], []
    for name, extra in _required():
        if extra is None or extra == "dev":
            continue
        number = _version(name)
        listed.append(f"{name} {number or 'not installed'}")
        if number is None:
            missing.append(extra)
    if not missing:
        return Finding("extras", ", ".join(listed) or "none")
    remedy = f"pip install 'imtrans[{','.join(dict.fromkeys(missing))}]'"
    return Finding("extras", ", ".join(listed), "note", remedy=remedy)


def plugins(collect: Callable[[], Catalog]) -> Iterator[Finding]:
    """The distributions that bring components, and the plugins that are broken."""
    try:
        catalog = collect()
    except ImtransError as error:
        yield Finding("plugins", str(error), "error")
        return
    count = sum(len(registry.names()) for registry in catalog.registries.values())
    sources = sorted({f"{plugin.distribution} {plugin.version}" for plugin in catalog.plugins})
    yield Finding("plugins", f"{count} components from {', '.join(sources)}")
    for broken in catalog.broken:
        yield Finding("plugins", broken, "error")


def compiler() -> Finding:
    """Whether torch.compile has the compilers it needs."""
    named = os.environ.get("CXX")
    found = next(
        (path for name in (named, *COMPILERS) if name and (path := shutil.which(name))), None
    )
    if not found:
        message = "no C++ compiler, which torch.compile needs (train.compile)"
        return Finding("compiler", message, "note", remedy="install g++ or clang")
    if torch.cuda.is_available() and sys.platform == "linux" and _version("triton") is None:
        message = f"{found}, but no triton, which torch.compile needs on CUDA"
        return Finding("compiler", message, "note", remedy="pip install triton")
    return Finding("compiler", f"{found}, for torch.compile")


def _required() -> list[tuple[str, str | None]]:
    """(package, extra) of every requirement of imtrans's distribution, except itself."""
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
