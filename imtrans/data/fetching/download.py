"""Download a file that may be cut at any time, and continue where it stopped."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPResponse

from imtrans.api.errors import ImtransError
from imtrans.data.fetching import web
from imtrans.data.fetching.pace import LEAST, Pace
from imtrans.data.fetching.partial import Note, Partial, note_of
from imtrans.data.fetching.sets import Kind
from imtrans.data.fetching.watch import Watch
from imtrans.host.words import plain, size

CHUNK = 2**16  # bytes
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)  # s before each new try
ENOUGH = 2**20  # bytes: a try that brought so many was a success, and the pauses start over


class Unreachable(ImtransError):
    """No server answers: no network, no such name, nobody there."""


@dataclass(frozen=True)
class Terms:
    """What is asked of an archive before it is written, sizes in bytes."""

    kind: Kind
    least: int
    expected: int  # about so many
    most: int
    # Called with the bytes that are missing and those of the whole; raises ImtransError if the
    # disk has no room for them.
    room: Callable[[int, int], None]


def download(partial: Partial, terms: Terms, watch: Watch) -> None:
    """Complete the partial file from its address.

    Raises Unreachable, or ImtransError for anything else that waiting does not mend. What has
    been received stays, but when it cannot be the beginning of the file.
    """
    tries, reached = 0, False
    while not partial.complete:
        before = partial.have
        try:
            _continue(partial, terms, watch)
        except web.Cut as cut:
            reached = reached or cut.reached
            if not reached:
                raise Unreachable(f"cannot reach {partial.note.address}: {cut}") from cut
            tries = 1 if partial.have - before >= ENOUGH else tries + 1
            if tries > len(PAUSES):
                raise ImtransError(
                    f"{partial.note.address}: {_state(partial)} ({cut}), and {tries} tries got no "
                    "further. the same command continues; --mirror URL names another server"
                ) from cut
            pause = PAUSES[tries - 1]
            watch.say(f"{_state(partial)} ({cut}); trying again in {pause:g} s")
            time.sleep(pause)


def _state(partial: Partial) -> str:
    total = f" of {size(partial.note.length)}" if partial.note.length else ""
    return f"{size(partial.have)}{total} so far"


def _continue(partial: Partial, terms: Terms, watch: Watch) -> None:
    """One request, for all that is missing. Raises web.Cut when less has come."""
    with web.ask(partial.note.address, _range(partial)) as answer:
        if answer.status == 416:
            _nothing_behind(partial, answer)
            return
        whole = answer.status == 200
        if not whole:
            _check_range(partial, answer)
        note = note_of(partial.note.address, answer.headers) if whole else partial.note
        expected = _check_length(note, terms)
        chunk = _start(answer, len(terms.kind.start))
        # Looked at before what is here is given up for it.
        if whole:
            _check_start(note, chunk, answer, terms.kind)
        terms.room(max(expected - partial.have, 0), expected)
        if whole:
            _begin(partial, note, watch)
        watch.begin("fetching", expected, partial.have)
        _receive(partial, chunk, answer, terms, watch)
    if note.length is not None and partial.have < note.length:
        raise web.Cut("the connection ended")
    partial.finish()


def _start(answer: HTTPResponse, least: int) -> bytes:
    """The first bytes, enough of them to know an archive by, unless it ends before."""
    start = b""
    while len(start) < least and (more := web.read(answer, CHUNK)):
        start += more
    return start


def _range(partial: Partial) -> dict[str, str]:
    if not partial.have:
        return {}
    headers = {"Range": f"bytes={partial.have}-"}
    if partial.note.validator:
        headers["If-Range"] = partial.note.validator
    return headers


def _nothing_behind(partial: Partial, answer: HTTPResponse) -> None:
    """416: either all is here already, or what is here is of no use."""
    match = re.fullmatch(r"bytes \*/(\d{1,18})", answer.headers.get("Content-Range", "").strip())
    if partial.have and match and int(match[1]) == partial.have:
        partial.finish()
        return
    # The server has another file now.
    partial.remove()
    raise web.Cut("the file there is another one now")


def _check_range(partial: Partial, answer: HTTPResponse) -> None:
    """What comes must be the bytes asked for, of a file of the length known."""
    said = answer.headers.get("Content-Range", "").strip()
    match = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d{1,18}|\*)", said, re.ASCII)
    length = partial.note.length
    if match and partial.have and int(match[1]) == partial.have:
        if length is None or match[2] == "*" or int(match[2]) == length:
            return
    of = f" of {length}" if length else ""
    raise ImtransError(
        f"{partial.note.address}: asked for the bytes from {partial.have}{of}, it sends "
        f"'{plain(said)}'. name another server with --mirror, or remove '{partial.path}' to start "
        "from the beginning"
    )


def _check_length(note: Note, terms: Terms) -> int:
    """How many bytes to expect. Raises ImtransError when they cannot be the archive."""
    if note.length is None:
        return terms.expected
    if not terms.least <= note.length <= terms.most:
        raise ImtransError(
            f"{note.address}: has {size(note.length)}, where about {size(terms.expected)} are "
            "expected. is this the right address? with --sha256 HEX any size is taken"
        )
    return note.length


def _check_start(note: Note, chunk: bytes, answer: HTTPResponse, kind: Kind) -> None:
    if not chunk and note.length:
        raise web.Cut("the connection ended")
    if not chunk.startswith(kind.start):
        said = plain(answer.headers.get("Content-Type", "nothing"))
        raise ImtransError(
            f"{note.address}: sends no {kind.suffix} (it says '{said}'); a page of a proxy, or of "
            "a login? --mirror URL names another server"
        )


def _begin(partial: Partial, note: Note, watch: Watch) -> None:
    """The whole file comes: for the first time, or it has changed, or ranges are ignored."""
    if partial.have:
        watch.say(
            f"starting from zero: the server does not continue after {size(partial.have)}, or has "
            "another file now"
        )
    partial.begin(note)


def _receive(
    partial: Partial, chunk: bytes, answer: HTTPResponse, terms: Terms, watch: Watch
) -> None:
    """Write what comes, until the connection ends. Raises web.Cut, or ImtransError when it comes
    too slowly, or is too much."""
    most = terms.most if partial.note.length is None else partial.note.length
    pace = Pace()
    while chunk:
        if partial.have + len(chunk) > most:
            partial.remove()
            raise ImtransError(f"{partial.note.address}: sends more than {size(most)}")
        partial.append(chunk)
        watch.reach(partial.have)
        if pace.too_slow(len(chunk)):
            raise ImtransError(
                f"{partial.note.address}: {_state(partial)}, and it sends less than "
                f"{size(LEAST)} a second. the same command continues; --mirror URL names another "
                "server"
            )
        chunk = web.read(answer, CHUNK)
