"""Weights of networks that metrics and losses look through: a path, or a checked download.

Nothing is downloaded unless the user asks for it.
"""

import hashlib
import tempfile
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
from torch import Tensor

from imtrans.api.addresses import holds_secrets
from imtrans.api.cache_folder import cache_folder
from imtrans.api.errors import ImtransError

CHUNK = 2**20  # bytes
TIMEOUT = 30.0  # s without a byte


class MissingWeights(ImtransError):
    """A network's weights are not here. Without them there is nothing to compute."""


def weights_file(given: str | None, *, name: str, url: str, sha256: str) -> Path:
    """The file of a network's weights.

    `given` is what the user says: a path, which is taken as it is; an address (http or https), or
    "download" for `url`: then the file is downloaded once into the user's folder for caches; None:
    it is there already. What is in that folder has to have this sha256, of which the first digits
    may be enough. Raises ImtransError, of one line, where the file is not here or is another one.
    """
    if given is not None and not _is_download(given):
        path = Path(given).expanduser()
        if not path.is_file():
            raise MissingWeights(f"'{given}' is no file; {_where(name, url, sha256)}")
        return path
    kept = folder() / url.rpartition("/")[2]
    right = kept.is_file() and _digest(kept).startswith(sha256)
    if not right and given is not None:
        _download(url if given == "download" else given, kept, sha256)
    elif not right:
        fault = "is another file" if kept.is_file() else "is not here"
        raise MissingWeights(
            f"'{kept}' {fault}; {_where(name, url, sha256)}; weights = \"download\" fetches it, "
            'weights = "PATH" names a file'
        )
    return kept


def own_weights_file(given: str | None, *, name: str, sha256: str) -> Path:
    """The file of weights that are the user's own: a path, or an address (http or https) from which
    it is downloaded once. It has to have this sha256, of 64 digits. Raises ImtransError, of one
    line, where it is not here or is another one."""
    if given is None or given == "download":
        raise ImtransError(
            f"a sha256 of the weights of {name} belongs to a path or an address: weights = "
            '"PATH", or weights = "https://..."'
        )
    if not _is_download(given):
        path = Path(given).expanduser()
        if not path.is_file():
            raise MissingWeights(f"'{given}' is no file; it should hold the weights of {name}")
        if (found := _digest(path)) != sha256:
            raise ImtransError(f"'{given}' is another file: its sha256 is {found}, not {sha256}")
        return path
    if holds_secrets(given):
        raise ImtransError(
            f"the weights of {name}: an address with a user, a password or a query ('?...') is "
            "not taken: runs keep the recipe. download the file and give its path"
        )
    # Files of one name may come from several places.
    kept = folder() / f"{sha256[:16]}-{given.rpartition('/')[2]}"
    if not (kept.is_file() and _digest(kept) == sha256):
        _download(given, kept, sha256)
    return kept


def read_weights(path: Path, name: str) -> dict[str, Tensor]:
    """The tensors of a file, safetensors or of torch, by their names; no code in it is run. Raises
    ImtransError if it cannot be read."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in many ways
        raise ImtransError(f"'{path}': cannot be read as the weights of {name}") from error
    if not isinstance(found, dict) or not all(isinstance(x, Tensor) for x in found.values()):
        raise ImtransError(f"'{path}': holds something else than the weights of {name}")
    return found


def folder() -> Path:
    """Where downloads are kept: beside the caches of pixels."""
    return cache_folder() / "weights"


def _is_download(given: str) -> bool:
    return given == "download" or given.startswith(("http://", "https://"))


def _where(name: str, url: str, sha256: str) -> str:
    return f"the weights of {name} are at {url} (sha256 {sha256})"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(address: str, path: Path, sha256: str) -> None:
    """Bring the file at an address to a path: whole and with this sha256, or not at all."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            digest = _receive(address, file.write)
        if not digest.startswith(sha256):
            raise ImtransError(
                f"{address}: is another file: its sha256 is {digest}, not {sha256}. nothing is kept"
            )
        part.replace(path)
    except HTTPError as error:
        error.close()
        said = f"answered {error.code} {error.reason}"
        raise ImtransError(f'{address}: {said}. weights = "PATH" names a file') from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ImtransError(f"{address}: cannot be downloaded to '{path}': {reason}") from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _receive(address: str, write: Callable[[bytes], object]) -> str:
    """Write what an address holds; its sha256. Raises ImtransError where the end is missing."""
    hashed, have = hashlib.sha256(), 0
    request = Request(address, headers={"User-Agent": "imtrans", "Accept-Encoding": "identity"})
    with urlopen(request, timeout=TIMEOUT) as answer:
        length = answer.headers.get("Content-Length", "")
        while chunk := answer.read(CHUNK):
            write(chunk)
            hashed.update(chunk)
            have += len(chunk)
    if length.isdecimal() and have < int(length):
        raise ImtransError(f"{address}: ended after {have:,} of {int(length):,} bytes; try again")
    return hashed.hexdigest()
