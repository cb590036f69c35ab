"""A server on this machine that serves one file, and misbehaves as it is told; a set to fetch."""

import io
import socket
import tarfile
import threading
import time
import warnings
import zipfile
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random


class Misbehaving(ThreadingHTTPServer):
    """Serves `content` under every path; what is wrong with it is set from outside."""

    daemon_threads = True

    def __init__(self, content=b""):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.headers = {"ETag": '"1"'}
        self.asked = []  # (path, Range, If-Range) of every request
        self.cuts = []  # bytes after which each of the next answers is cut; None: not
        self.statuses = []  # the next answers have these and no content
        self.ranges = True  # whether it heeds Range
        self.content_range = None  # what it says instead of the truth
        self.length = "true"  # Content-Length: a number to say instead, or None for none
        self.drips = False  # whether its headers never end
        self.pause = 0.0  # s before each 64 kB

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/pix2pix"

    def handle_error(self, request, client_address):
        pass  # a client that was killed is no error here


class Handler(BaseHTTPRequestHandler):
    server: Misbehaving

    def log_message(self, *_):
        pass

    def do_GET(self):
        server, wanted = self.server, self.headers["Range"]
        server.asked.append((self.path, wanted, self.headers["If-Range"]))
        if server.drips:
            self.drip()
            return
        if server.statuses:
            self.answer_without_content(server.statuses.pop(0))
            return
        start = 0
        if wanted and server.ranges and self.headers["If-Range"] in (None, self.validator()):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_content_headers(start)
        self.send_content(server.content[start:], server.cuts.pop(0) if server.cuts else None)

    def validator(self):
        return self.server.headers.get("ETag", self.server.headers.get("Last-Modified"))

    def drip(self):
        """Headers without end, one after the other."""
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                time.sleep(0.005)
                self.wfile.write(b"X")

    def answer_without_content(self, status):
        code, headers = status if isinstance(status, tuple) else (status, {})
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send_content_headers(self, start):
        server, total = self.server, len(self.server.content)
        if start:
            said = server.content_range or f"bytes {start}-{total - 1}/{total}"
            self.send_header("Content-Range", said)
        if server.length is not None:
            length = total if server.length == "true" else server.length
            self.send_header("Content-Length", str(length - start))
        for name, value in server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send_content(self, content, cut):
        content = content[:cut] if cut is not None else content
        for start in range(0, len(content), 2**16):
            time.sleep(self.server.pause)
            self.wfile.write(content[start : start + 2**16])
        if cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)


def serving(content=b""):
    """A server that runs already; `shutdown()` ends it."""
    server = Misbehaving(content)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def packed(members, mode="w:gz"):
    """A tar file of (name or TarInfo, content) pairs; content None makes a folder."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode=mode) as tar:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content or b""))
    return memory.getvalue()


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    """A ZIP file of (name or ZipInfo, content) pairs; content None makes a folder."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice
        for member, content in members:
            if isinstance(member, str) and content is None:
                member = member.rstrip("/") + "/"
            archive.writestr(member, content or b"")
    return memory.getvalue()


def a_set(name="facades", splits=("train", "val", "test"), each=3, length=20_000):
    """Members of a published set; noise for images, as they do not shrink either."""
    random = Random(0)
    yield f"{name}/", None
    for split in splits:
        yield f"{name}/{split}/", None
        for index in range(each):
            yield f"{name}/{split}/{index}.jpg", random.randbytes(length)


ARCHIVE = packed(a_set())  # 181 kB
BIG = packed(a_set(length=400_000))  # 3.6 MB


def whole(folder=Path("datasets/facades"), content=None):
    """Whether the folder has just what is in the archive."""
    members = content or list(a_set())
    files = {name.partition("/")[2]: data for name, data in members if data is not None}
    there = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jpg")}
    return there == files


def beside(folder=Path("datasets/facades")):
    """What lies beside the folder, hidden or not."""
    return sorted(path.name for path in folder.parent.iterdir() if path != folder)
