"""The files elsewhere that patterns name."""

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import translate
from functools import partial
from glob import escape, has_magic
from typing import Any, TypeVar

from imtrans.api.addresses import joined
from imtrans.api.errors import ImtransError
from imtrans.api.remote.faults import Denied, Missing, Unreadable, tried
from imtrans.api.remote.file_system import call, file_system, is_http
from imtrans.api.remote.ranges import RemoteFile, described, look_up

AT_ONCE = 16  # requests
FEW = 32  # names that are looked up one by one; for more, their folder is listed
LONG = 2**25  # bytes; as long as these may take, for a folder of a million files
T = TypeVar("T")
U = TypeVar("U")


def found(root: str, patterns: Sequence[str], *, probing: bool = False) -> dict[str, RemoteFile]:
    """The files below an address that fit patterns, by their names below it, sorted.

    Names without `*`, `?` or `[` that are not there are left out; so is, `probing`, what we may not
    read: some servers say that of what is not there. Raises ImtransError naming the address.
    """
    magic = [pattern for pattern in patterns if has_magic(pattern)]
    if magic and is_http(root):
        raise ImtransError(
            f"{root}: over HTTP nothing can be listed; name the files by a range, as in "
            'layout = { name = "shards", files = "{split}-{000..009}.tar" }'
        )
    plain = [pattern for pattern in patterns if not has_magic(pattern)]
    if len(plain) > FEW and not is_http(root):
        wanted, folders = set(plain), sorted({name.rpartition("/")[0] for name in plain})
        listed = _listed(root, [joined(folder, "*").lstrip("/") for folder in folders])
        files = {name: file for name, file in listed.items() if name in wanted}
    else:
        file_system(root)  # made once, before many ask for it
        looked = at_once(lambda name: _looked_up(joined(root, name), probing), plain)
        files = {name: file for name, file in zip(plain, looked, strict=True) if file}
    files |= _listed(root, magic)
    return dict(sorted(files.items()))


def at_once(work: Callable[[T], U], items: Iterable[T]) -> list[U]:
    """The work on each item, some of it at the same time: most of it is waiting for a server."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, items))


def _looked_up(address: str, probing: bool) -> RemoteFile | None:
    try:
        return look_up(address)
    except Missing:
        return None
    except Denied as error:
        if probing:
            return None
        raise ImtransError(f"{address}: {error}") from error
    except Unreadable as error:
        raise ImtransError(f"{address}: {error}") from error


def _listed(root: str, patterns: Sequence[str]) -> dict[str, RemoteFile]:
    files = {}
    for pattern in patterns:
        fs = file_system(root)
        below = fs._strip_protocol(root).rstrip("/")
        try:
            there = tried(partial(_fitting, fs, below, pattern))
        except Missing:
            continue
        except Unreadable as error:
            raise ImtransError(f"{root}: {error}") from error
        for path, info in there:
            if info.get("type") == "file":
                name = path[len(below) :].lstrip("/")
                files[name] = described(joined(root, name), info)
    return files


def _fitting(fs: Any, below: str, pattern: str) -> list[tuple[str, dict[str, Any]]]:
    """Path and description of what fits a pattern below a folder."""
    folder, slash, base = pattern.rpartition("/")
    # A folder is listed rather than globbed, which takes what fails for an empty folder.
    start = below if has_magic(folder) else f"{below}{slash}{folder}"
    there = call(fs, "ls", start, detail=True, size=LONG)
    if has_magic(folder):
        found: dict[str, dict[str, Any]]
        found = call(fs, "glob", joined(escape(below), pattern), detail=True, size=LONG)
        return list(found.items())
    paths = ((info["name"].rstrip("/"), info) for info in there)
    fits = re.compile(translate(base)).match
    return [(path, info) for path, info in paths if fits(path.rpartition("/")[2])]
