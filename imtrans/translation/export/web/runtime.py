"""onnxruntime-web, which computes in the browser: one pinned version, fetched once and kept.

From the registry of npm, or from a folder where npm has put it. Its files are copied into each
page; none runs here.
"""

import base64
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from imtrans.api.addresses import without_secrets
from imtrans.api.cache_folder import cache_folder
from imtrans.api.errors import ImtransError
from imtrans.data.fetching import web
from imtrans.data.fetching.pace import Pace
from imtrans.host.files import write_whole
from imtrans.host.words import size

NAME, VERSION = "onnxruntime-web", "1.30.0"
REGISTRY = "https://registry.npmjs.org"
# Of the archive, as the registry says it, in bytes and as a sum.
BYTES = 33_106_585
INTEGRITY = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
# For a CPU alone, by WebAssembly with 128-bit SIMD: the smallest of its builds. Those for WebGPU
# have 27 MB more.
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
LARGEST = 2**26  # bytes of one file
CHUNK = 2**18
ADVICE = (
    f"where npm works, `npm install {NAME}@{VERSION}` and --runtime node_modules/{NAME}; "
    "$NPM_CONFIG_REGISTRY names another registry"
)

Say = Callable[[str], None]


def runtime_files(folder: Path | None = None, say: Say = lambda line: None) -> dict[str, bytes]:
    """The files of FILES by name: from a folder that has them, or as they were fetched before, or
    from npm. Raises ImtransError, of one line, where none of these has them."""
    if folder is not None:
        return _of_folder(folder)
    kept = cache_folder() / f"{NAME}-{VERSION}"
    if (found := _read(kept)) is not None:
        return found
    files = _unpacked(_archive(say))
    kept.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(kept / name, content)
    return files


def _of_folder(folder: Path) -> dict[str, bytes]:
    """Named by the user: the package, its `dist`, or the folder where npm was asked for it."""
    for place in (folder, folder / "dist", folder / NAME / "dist", _installed(folder) / "dist"):
        if all((place / name).is_file() for name in FILES):
            if (found := _read(place)) is not None:
                return found
            raise ImtransError(
                f"'{place}': not {NAME} {VERSION}, for which the page is made: "
                f"npm install {NAME}@{VERSION}"
            )
    names = " and ".join(f"'{name}'" for name in FILES)
    raise ImtransError(
        f"--runtime '{folder}': has no {names}. name node_modules/{NAME} after "
        f"npm install {NAME}@{VERSION}"
    )


def _installed(folder: Path) -> Path:
    return folder / "node_modules" / NAME


def _read(folder: Path) -> dict[str, bytes] | None:
    """The files in a folder, if they are the right ones."""
    try:
        found = {name: (folder / name).read_bytes() for name in FILES}
    except OSError:
        return None
    return found if all(_is_right(name, content) for name, content in found.items()) else None


def _is_right(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == FILES[name]


def _archive(say: Say) -> bytes:
    """The package as npm packs it, checked."""
    registry = next(filter(None, map(os.environ.get, _VARIABLES)), REGISTRY).rstrip("/")
    address = f"{registry}/{NAME}/-/{NAME}-{VERSION}.tgz"
    shown = without_secrets(address)
    say(f"fetching {shown}, {size(BYTES)}, once")
    try:
        content = _received(address)
    except web.Cut as cut:
        raise ImtransError(f"{shown}: cannot be fetched: {cut}. {ADVICE}") from cut
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if digest != INTEGRITY:
        raise ImtransError(
            f"{shown}: is another file: its sha512 is {digest}, not {INTEGRITY}. nothing is kept. "
            + ADVICE
        )
    return content


_VARIABLES = ("NPM_CONFIG_REGISTRY", "npm_config_registry")


def _received(address: str) -> bytes:
    """All that a server sends, and no more than there can be."""
    content, pace = bytearray(), Pace()
    with web.ask(address, {}, advice=ADVICE) as answer:
        while chunk := web.read(answer, CHUNK):
            content += chunk
            if len(content) > BYTES:
                break  # its sum says that it is another file
            if pace.too_slow(len(chunk)):
                raise web.Cut(f"too slow: {size(len(content))} so far")
    if len(content) < BYTES and answer.headers.get("Content-Length") == str(BYTES):
        raise web.Cut(f"the connection ended after {size(len(content))} of {size(BYTES)}")
    return bytes(content)


def _unpacked(archive: bytes) -> dict[str, bytes]:
    """The wanted files alone, by their exact names: nothing is written where an archive says."""
    wanted = {f"package/dist/{name}": name for name in FILES}
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            if member.isreg() and member.name in wanted and member.size <= LARGEST:
                stream = tar.extractfile(member)
                found[wanted[member.name]] = stream.read() if stream else b""
    if wrong := [name for name in FILES if not _is_right(name, found.get(name, b""))]:
        raise ImtransError(f"{NAME} {VERSION}: its archive has no right '{wrong[0]}'")
    return found
