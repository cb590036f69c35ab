"""A part of a file elsewhere, from the version of it that was indexed."""

from dataclasses import dataclass
from typing import Any

from imtrans.api.remote.faults import CHANGED, WHOLE, Passing, Unreadable, refuse_status, tried
from imtrans.api.remote.file_system import call, file_system, is_http, is_s3, wait

# What fsspec says of a file, the surest sign of its version first.
SIGNS = ("ETag", "etag", "generation", "md5Hash", "LastModified", "mtime", "updated", "created")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file elsewhere: its address, its length in bytes and what tells versions of it apart."""

    address: str
    size: int
    sign: str  # mostly an ETag; empty where the server says nothing

    @property
    def version(self) -> str:
        return f"{self.size} {self.sign}"

    def read(self, start: int, end: int) -> bytes:
        """Its bytes from `start` up to `end`: all of them. Raises Unreadable, with the reason."""
        if start >= end:
            return b""
        return tried(lambda: self._once(start, end))

    def _once(self, start: int, end: int) -> bytes:
        fs = file_system(self.address)
        if is_http(self.address):
            content = wait(fs, _over_http, fs, self, start, end, size=end - start)
        elif is_s3(self.address):
            content = wait(fs, _from_s3, fs, self, start, end, size=end - start)
        else:
            content = call(fs, "cat_file", self.address, start=start, end=end, size=end - start)
        if len(content) != end - start:
            raise Passing(f"sent {len(content):,} bytes where {end - start:,} are asked for")
        return bytes(content)


def described(address: str, info: dict[str, Any]) -> RemoteFile:
    """A file as fsspec describes it."""
    sign = next((str(info[name]) for name in SIGNS if info.get(name)), "")
    return RemoteFile(address, int(info["size"]), sign)


def look_up(address: str) -> RemoteFile:
    """The file at an address, without its content. Raises Unreadable; Missing, Denied."""
    fs = file_system(address)
    if is_http(address):
        return tried(lambda: wait(fs, _first_byte, fs, address))
    return described(address, tried(lambda: call(fs, "info", address)))


async def _from_s3(fs: Any, file: RemoteFile, start: int, end: int) -> bytes:
    bucket, key, _ = fs.split_path(file.address)
    asked = {"Range": f"bytes={start}-{end - 1}"} | ({"IfMatch": file.sign} if file.sign else {})
    answer = await fs._call_s3("get_object", Bucket=bucket, Key=key, **asked)
    async with answer["Body"] as body:
        if file.sign and _bare(answer.get("ETag", "")) != _bare(file.sign):
            raise Unreadable(CHANGED)
        if answer.get("ContentLength") == file.size != end - start:
            raise Unreadable(WHOLE)
        content: bytes = await body.read()
        return content


def _bare(etag: str) -> str:
    """An ETag without its quotes, which some servers leave out in listings."""
    return etag.strip('"')


async def _over_http(fs: Any, file: RemoteFile, start: int, end: int) -> bytes:
    async with await _asked(fs, file.address, start, end) as answer:
        refuse_status(answer.status, answer.reason or "")
        if file.sign and _sign(answer) != file.sign:
            raise Unreadable(CHANGED)
        _check_range(answer, file.size, start, end)
        content: bytes = await answer.content.readexactly(end - start)
        return content


def _check_range(answer: Any, size: int, start: int, end: int) -> None:
    if answer.status != 206:
        if answer.content_length != end - start or start:
            raise Unreadable(WHOLE)
        return
    said = answer.headers.get("Content-Range", "")
    if said.partition("/")[2] not in (str(size), "*"):
        raise Unreadable(CHANGED)
    if said.partition("/")[0] != f"bytes {start}-{end - 1}":
        raise Passing(f"sent another part of the file than was asked for ('{said[:50]}')")


async def _first_byte(fs: Any, address: str) -> RemoteFile:
    # Not HEAD, which says neither whether parts can be asked for, nor always a length.
    async with await _asked(fs, address, 0, 1) as answer:
        refuse_status(answer.status, answer.reason or "")
        if answer.status != 206:
            if answer.content_length == 0:
                return RemoteFile(address, 0, _sign(answer))
            raise Unreadable(WHOLE)
        size = answer.headers.get("Content-Range", "").partition("/")[2]
        if not size.isdigit():
            raise Unreadable("the server does not say how long the file is ('Content-Range')")
        return RemoteFile(address, int(size), _sign(answer))


async def _asked(fs: Any, address: str, start: int, end: int) -> Any:
    """A GET of a part, as a context."""
    session = await fs.set_session()
    options = dict(fs.kwargs)
    asked = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    options["headers"] = {**options.get("headers", {}), **asked}
    return session.get(fs.encode_url(address), **options)


def _sign(answer: Any) -> str:
    return str(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")
