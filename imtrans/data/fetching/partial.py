"""A download under way: the bytes that are here, and a note of what they are the beginning of.

The note ties them to an address and to the version of the file that the server named, so that
the rest of another file is never put behind them.
"""

import json
import os
import stat
from dataclasses import asdict, dataclass, replace
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from imtrans.api.errors import ImtransError
from imtrans.data.fetching.space import telling_when_full
from imtrans.host.files import no_link, write_whole
from imtrans.host.foreign import FAULTS, whole_number


@dataclass(frozen=True)
class Note:
    """What the partial file is a part of; `length` in bytes, if the server said it."""

    address: str
    etag: str | None = None
    modified: str | None = None
    length: int | None = None
    complete: bool = False

    @property
    def validator(self) -> str | None:
        """What `If-Range` may name: a weak tag promises the same meaning, not the same bytes."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


def note_of(address: str, headers: Message) -> Note:
    """What an answer says about the whole file that it brings."""
    length = headers.get("Content-Length", "").strip()
    return Note(
        address,
        headers.get("ETag"),
        headers.get("Last-Modified"),
        whole_number(length),
    )


class Partial:
    """The file PATH and, beside it, its note PATH.json. `have` bytes of it are good."""

    def __init__(self, path: Path, address: str) -> None:
        self.path = path
        self.note = self._read(address) or Note(address)
        # Without a validator or a length nothing would show that the file has changed meanwhile.
        known = self.note.validator or self.note.length is not None
        there = path.stat().st_size if path.is_file() else 0
        fits = self.note.length is None or there <= self.note.length
        self.have = there if known and fits else 0
        self.useless = there - self.have  # bytes of we do not know what

    def refuse_what_is_no_file(self) -> None:
        """Raise ImtransError when what is there was not made by imtrans: a link leads to a file
        that would be overwritten, and a pipe would be waited for."""
        for path in (self.path, self._note_path):
            try:
                regular = stat.S_ISREG(path.lstat().st_mode)
            except FileNotFoundError:
                continue
            if not regular:
                raise ImtransError(
                    f"'{path}' is a link, or no file at all, and imtrans did not make it. "
                    "remove it, and the same command fetches the set"
                )

    @property
    def complete(self) -> bool:
        return self.have > 0 and (self.note.complete or self.have == self.note.length)

    def begin(self, note: Note) -> None:
        """Start from zero, with the file that the note describes."""
        # In this order: at no time may a note be beside bytes of another file.
        with telling_when_full(self.path.parent):
            self.path.unlink(missing_ok=True)
            open(self.path, "xb").close()  # a new file, whatever was there, and never a link
            self._write(note)
        self.have = 0

    def append(self, chunk: bytes) -> None:
        """Put bytes behind those that are here. Raises ImtransError when the disk is full."""
        with telling_when_full(self.path.parent), self._opened() as file:
            file.seek(self.have)
            file.write(chunk)
        self.have += len(chunk)

    def _opened(self) -> BinaryIO:
        return open(self.path, "r+b", opener=no_link)

    def finish(self) -> None:
        """Note that all is here."""
        with telling_when_full(self.path.parent):
            self._write(replace(self.note, length=self.have, complete=True))

    def remove(self) -> None:
        """Forget what is here; the same download starts from zero."""
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)
        self.have, self.note = 0, Note(self.note.address)

    def keep_as(self, path: Path) -> None:
        os.replace(self.path, path)
        self._note_path.unlink(missing_ok=True)

    @property
    def _note_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def _write(self, note: Note) -> None:
        self.note = note
        write_whole(self._note_path, json.dumps(asdict(note)).encode())

    def _read(self, address: str) -> Note | None:
        """The note, if it is one and of this address."""
        try:
            if not self._note_path.is_file():
                return None  # a pipe would be waited for
            note = Note(**json.loads(self._note_path.read_text(encoding="utf-8")))
        except (OSError, *FAULTS):
            return None
        texts = all(isinstance(text, str | None) for text in (note.etag, note.modified))
        count = note.length is None or isinstance(note.length, int) and note.length >= 0
        return note if note.address == address and texts and count else None
