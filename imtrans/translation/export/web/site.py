"""The folder: a page, the board, the network and onnxruntime-web, whole or not there at all."""

import hashlib
import html
import json
import os
import shutil
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp

import imtrans.board
from imtrans.api.errors import ImtransError
from imtrans.host.words import size
from imtrans.runs.header import Header
from imtrans.translation.export.graph import Graph
from imtrans.translation.export.web import drawable
from imtrans.translation.export.web.about import about
from imtrans.translation.export.web.runtime import NAME, VERSION, Say, runtime_files
from imtrans.translation.translator import Translator

PAGE = ("index.html", "icon.svg", "page.css", "page.js", "pictures.js", "noise.js", "worker.js")
TEXTS = ("README.txt", "LICENSE-onnxruntime-web.txt")
BOARD = ("board.js", "board.css")
MODEL = "model.onnx"
PART = 90_000_000  # bytes of a file: some hosts take none above 100 MB


class Site:
    """A folder to be: all that is needed beside the network is there before it is computed."""

    def __init__(self, folder: Path, runtime: Path | None, say: Say) -> None:
        """Raises ImtransError where the folder cannot be written."""
        _check_place(folder)
        self.folder, self._runtime, self._say = folder, runtime, say
        self._files: dict[str, bytes] = {}

    def prepare(self, loaded: Translator) -> None:
        """Raises ImtransError where the page cannot draw the sources or show the outputs, or where
        onnxruntime-web cannot be had."""
        drawable.check(loaded.encoding)
        self._files = runtime_files(self._runtime, self._say)

    def write(
        self,
        model: bytes,
        header: Header,
        loaded: Translator,
        graph: Graph,
        facts: dict[str, str],
    ) -> None:
        """All files, or none. Raises OSError naming the folder."""
        described = about(header, loaded, graph, facts)
        parts = in_parts(model)
        described["model"] = {
            "files": [*parts],
            "bytes": len(model),
            "sha256": hashlib.sha256(model).hexdigest(),
        }
        contents = {
            **self._page(described["title"]),
            **{f"runtime/{_known(name)}": content for name, content in self._files.items()},
            "model.json": (json.dumps(described, indent=1) + "\n").encode(),
            **parts,
        }
        write_folder(self.folder, contents)

    def _page(self, title: str) -> dict[str, bytes]:
        own, board = files(__package__) / "page", files(imtrans.board)
        found = {name: (own / name).read_text("utf-8") for name in (*PAGE, *TEXTS)}
        found |= {name: (board / name).read_text("utf-8") for name in BOARD}
        for name in ("index.html", "README.txt"):
            shown = html.escape(title) if name.endswith("html") else title
            text = found[name].replace("{{ title }}", shown)
            found[name] = text.replace("{{ runtime }}", f"{NAME} {VERSION}")
        return {name: text.encode() for name, text in found.items()}


def in_parts(model: bytes) -> dict[str, bytes]:
    """The network as one file, or as several that are put together again by the page."""
    if len(model) <= PART:
        return {MODEL: model}
    starts = range(0, len(model), PART)
    return {f"{MODEL}.{n}": model[at : at + PART] for n, at in enumerate(starts, 1)}


def write_folder(folder: Path, contents: dict[str, bytes]) -> None:
    """All files by their names, beside the folder at first. Raises OSError naming the folder."""
    partial = None
    try:
        partial = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        for name, content in contents.items():
            (partial / name).parent.mkdir(exist_ok=True)
            (partial / name).write_bytes(content)
        partial.chmod(0o777 & ~_umask())  # of mkdtemp, nobody else could serve it
        os.rename(partial, folder)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def described(folder: Path) -> str:
    """What was written, and how to look at it."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    total = size(sum(path.stat().st_size for path in found))
    return f"{total} in {len(found)} files; to look at it: python -m http.server -d '{folder}'"


def _known(name: str) -> str:
    """Under a name that every server sends as JavaScript: older ones do not know .mjs."""
    return name.replace(".mjs", ".js")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _check_place(folder: Path) -> None:
    if folder.exists() or folder.is_symlink():
        raise ImtransError(f"{folder}: is there already; remove it, or name another --output")
    if not folder.parent.is_dir():
        raise ImtransError(f"{folder.parent}: no such folder")
    if not os.access(folder.parent, os.W_OK):
        raise ImtransError(f"{folder.parent}: no permission to write there")
