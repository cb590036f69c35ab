"""Where shards are: folders of this machine, or addresses like s3://BUCKET/FOLDER, by fsspec."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imtrans.api.errors import ImtransError

PARTIAL = ".partial"  # the end of a name under which a file is written


def place_of(text: str) -> "Place":
    """The place that a person names: a path, made absolute, or an address like s3://..."""
    return Place(text if "://" in text else str(Path(text).absolute()))


class CannotWrite(ImtransError):
    """A file could not be written; others could not either."""


@dataclass(frozen=True)
class Place:
    """A folder or a file; `address` is a path, or has a protocol as in s3://."""

    address: str

    @property
    def is_local(self) -> bool:
        return "://" not in self.address

    @property
    def name(self) -> str:
        return self.address.rstrip("/").rpartition("/")[2]

    def __truediv__(self, name: str) -> "Place":
        return Place(f"{self.address.rstrip('/')}/{name}")

    def files(self) -> list[str]:
        """The names of all files below it, relative, sorted; none where there is no such folder."""
        fs, root = self._fs()
        fs.invalidate_cache()
        root = root.rstrip("/")
        found: list[str] = []
        with suppress(FileNotFoundError), self._failing():
            found = fs.find(root)
        return sorted(path[len(root) + 1 :] for path in found if path.startswith(f"{root}/"))

    def matching(self) -> "list[Place]":
        """The files that it names as a pattern, sorted."""
        fs, pattern = self._fs()
        with self._failing():
            return [Place(self._full(fs, path)) for path in sorted(fs.glob(pattern))]

    def is_file(self) -> bool:
        fs, path = self._fs()
        with self._failing():
            return bool(fs.isfile(path))

    def read(self) -> bytes:
        """Its bytes. Raises ImtransError, FileNotFoundError where there is none."""
        fs, path = self._fs()
        with self._failing():
            content: bytes = fs.cat_file(path)
        return content

    def write(self, content: bytes) -> None:
        """Replace the file at once: it is never there by half."""
        with self.writing() as file:
            file.write_bytes(content)

    def remove(self) -> None:
        fs, path = self._fs()
        with suppress(FileNotFoundError), self._failing():
            fs.rm_file(path)

    @contextmanager
    def reading(self) -> Iterator[Path]:
        """A file of this machine with the same bytes."""
        if self.is_local:
            yield Path(self.address)
            return
        fs, path = self._fs()
        with TemporaryDirectory(prefix="imtrans-ray-") as folder:
            copy = Path(folder, "copy")
            with self._failing():
                fs.get_file(path, str(copy))
            yield copy

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """A file to be written, which becomes this one when the context ends well: by renaming, or
        by one upload, which an object store makes visible when it is complete. Several processes
        may write the same one. Raises CannotWrite."""
        if self.is_local:
            target = Path(self.address)
            partial = target.with_name(f".{target.name[:150]}.{uuid.uuid4().hex[:8]}{PARTIAL}")
            with self._failing(CannotWrite):
                target.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield partial
                with self._failing(CannotWrite):
                    os.replace(partial, target)
            finally:
                partial.unlink(missing_ok=True)
            return
        fs, path = self._fs()
        with TemporaryDirectory(prefix="imtrans-ray-") as folder:
            yield (copy := Path(folder, "copy"))
            with self._failing(CannotWrite):
                fs.put_file(str(copy), path)

    def remove_partials(self) -> None:
        """Remove what processes that were killed have left of files below this folder."""
        if self.is_local:
            for left in Path(self.address).rglob(f".*{PARTIAL}"):
                left.unlink(missing_ok=True)

    def _fs(self) -> tuple[Any, str]:
        import fsspec

        if self.is_local:
            return fsspec.filesystem("file"), str(Path(self.address).absolute())
        try:
            fs, path = fsspec.core.url_to_fs(self.address)
        except (ImportError, ValueError) as error:
            protocol = self.address.partition("://")[0]
            library = ': pip install "imtrans-ray[s3]"' if protocol == "s3" else ""
            reason = str(error).rstrip(".").lower()
            raise ImtransError(f"{self.address}: {reason}{library}") from error
        return fs, str(path)

    def _full(self, fs: Any, path: str) -> str:
        return str(path) if self.is_local else str(fs.unstrip_protocol(path))

    @contextmanager
    def _failing(self, kind: type[ImtransError] = ImtransError) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each store has errors of its own
            if isinstance(error, FileNotFoundError) and kind is ImtransError:
                raise
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise kind(f"{self.address}: {' '.join(str(reason).split()).lower()}") from error
