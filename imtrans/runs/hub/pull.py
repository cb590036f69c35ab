"""A translator from a hub: a folder of the local cache that is a checkpoint's.

What is downloaded is chosen by name: the translators' safetensors, their recipe and their sums.
huggingface_hub keeps it in its cache (HF_HOME), where it is found again without a network.
"""

import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans.host.words import size
from imtrans.runs.checksums import SUMS
from imtrans.runs.header import GENERATOR, SUFFIX, read_header
from imtrans.runs.hub.address import Address, address, is_address
from imtrans.runs.hub.asking import HubUnreachable, asking, client, library
from imtrans.runs.sharing import RECIPE

FIRST = (GENERATOR, RECIPE, SUMS)
MOST = 20_000_000_000  # bytes; unet_256 has 0.2 GB
PATIENCE = 20.0  # s for the answer that lists the files

Note = Callable[[str], None]


def local(named: str | Path, note: Note | None = None) -> Path:
    """What a person named as a path: that of a folder with the files if it is an address on a hub.
    `note` hears that the hub could not be asked, and what the cache has is used. Raises
    ImtransError."""
    return pulled(address(str(named)), note or _warn) if is_address(named) else Path(named)


def name_of(named: str | Path) -> str:
    """What results are named after: a repository, a folder, or the folder of a file."""
    if is_address(named):
        return address(str(named)).name
    whole = Path(named).resolve()
    return (whole.parent if whole.is_file() else whole).name


def pulled(wanted: Address, note: Note) -> Path:
    """The folder of the translators of a repository."""
    hub = library()
    try:
        with asking(str(wanted)):
            sizes = _sizes(hub, wanted)
            return _downloaded(hub, wanted, sizes)
    except HubUnreachable as error:
        folder = _cached(hub, wanted)
        if folder is None:
            raise
        note(f"{error}; what was downloaded before is used")
        return folder


def _sizes(hub: Any, wanted: Address) -> dict[str, int]:
    """The bytes of each file of a repository. Raises ImtransError where imtrans has no use for
    them."""
    found = client(hub).model_info(
        wanted.repository, revision=wanted.revision, files_metadata=True, timeout=PATIENCE
    )
    sizes = {one.rfilename: int(one.size or 0) for one in found.siblings or ()}
    if GENERATOR not in sizes:
        raise ImtransError(
            f"{wanted}: holds no {GENERATOR}; `imtrans push` makes repositories that can be used"
        )
    return sizes


def _downloaded(hub: Any, wanted: Address, sizes: dict[str, int]) -> Path:
    """The header of the default translator says which others there are."""
    folder = _fetch(hub, wanted, [name for name in FIRST if name in sizes], sizes)
    others = [f"{name}{SUFFIX}" for name in read_header(folder / GENERATOR).translators]
    others = [name for name in others if name in sizes and not (folder / name).exists()]
    return _fetch(hub, wanted, others, sizes) if others else folder


def _fetch(hub: Any, wanted: Address, names: list[str], sizes: dict[str, int]) -> Path:
    total = sum(sizes[name] for name in names)
    if total > MOST:
        raise ImtransError(f"{wanted}: {size(total)} are more than the {size(MOST)} that are read")
    return _snapshot(hub, wanted, allow_patterns=names)


def _cached(hub: Any, wanted: Address) -> Path | None:
    with suppress(Exception):  # of the library: nothing usable is there
        folder = _snapshot(hub, wanted, allow_patterns=[GENERATOR], local_files_only=True)
        return folder if (folder / GENERATOR).is_file() else None
    return None


def _snapshot(hub: Any, wanted: Address, **options: Any) -> Path:
    found = hub.snapshot_download(
        wanted.repository, revision=wanted.revision, library_name="imtrans", **options
    )
    return Path(found)


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=4)
