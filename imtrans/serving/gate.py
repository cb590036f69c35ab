"""The gate of a server: what gets in at all, how large it may be, and what every answer says.

A server of gradio answers more than a page and three calls need: it fetches addresses for others,
reads files by path, and offers to record, to profile and to edit. All but what is listed here is
not found.
"""

import asyncio
import errno
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from imtrans.api.errors import ImtransError
from imtrans.serving.access import Access
from imtrans.serving.limits import Limits
from imtrans.serving.payload import check_call
from imtrans.serving.storage import Storage

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

API = "/gradio_api"
FILE = f"{API}/file="
NAME = "[A-Za-z0-9_-]+"
PUBLIC = "(runs|translate|batch)"  # what programs call; the page's own calls wait in its queue
UPLOAD = f"{API}/upload"
READ = re.compile(
    rf"/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/(assets|static|svelte|board)/.+"
    rf"|{API}/(info|startup-events|queue/data|upload_progress|app_id|user|login_check|theme\.css)/?"
    rf"|{API}/heartbeat/{NAME}|{API}/call/(v2/)?{PUBLIC}/{NAME}|{re.escape(FILE)}.+"
)
CALL = re.compile(rf"{API}/(queue/join|call/(v2/)?{PUBLIC}|cancel|reset)/?")
FAULT = "a bug in imtrans or a plugin; the server's own terminal says more"
NO_UPLOAD = "not an upload: multipart/form-data with files, each named 'files'"
NO_DISK = "the server's disk is full"
STALL = 30  # s without a byte of a request that has begun
LOCAL = ("localhost", "127.0.0.1", "::1")
# The page runs its own scripts (gradio compiles templates, hence eval) and reaches this server
# alone; a picture may also be a data URL, or what a camera has taken.
POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
CHALLENGE = {"www-authenticate": 'Basic realm="imtrans", charset="UTF-8"'}


class Refusal(Exception):
    """One line for a client, with the status of HTTP that fits."""

    def __init__(self, status: int, line: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(line)
        self.status, self.line, self.headers = status, line, dict(headers or {})

    @property
    def body(self) -> bytes:
        """As the clients of gradio look for it: a 422 is about what was sent, and is shown."""
        detail: object = self.line
        if self.status == 422:
            about = {"__type__": "validate", "is_valid": False, "message": self.line}
            detail = [{**about, "parameter_name": "the request"}]
        return json.dumps({"detail": detail}).encode()


class Gate:
    """An ASGI application around another."""

    def __init__(
        self, app: App, access: Access, limits: Limits, storage: Storage, *, is_local: bool
    ) -> None:
        self.app, self.access, self.limits, self.storage = app, access, limits, storage
        self.is_local = is_local  # only this machine reaches the server

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return None  # a web socket: nothing here speaks that
        answer, heard = _Answer(send), _Heard(receive)
        try:
            with ExitStack() as held:
                receive = await self._admitted(scope, _headers(scope), heard.receive, held)
                await self.app(_whole_files(scope), receive, answer.send)
        except _LoggedIn:
            await answer.give(200, b'{"success": true}', {"set-cookie": self.access.cookie})
        except Refusal as refusal:
            await answer.refuse(refusal)
        except Exception as error:
            if not heard.ended:
                await answer.refuse(_failure(scope["path"], error))
        return None

    async def _admitted(
        self, scope: Message, headers: Mapping[str, str], receive: Receive, held: ExitStack
    ) -> Receive:
        """What the application may receive. Raises Refusal."""
        method, path = scope["method"], scope["path"]
        self._check_origin(headers)
        if method == "POST" and path.rstrip("/") == "/login" and not self.access.is_open:
            await self._log_in(headers, receive)
        if not await self.access.admits(headers):
            raise Refusal(401, "a name and a password are needed", CHALLENGE)
        if method in ("GET", "HEAD") and READ.fullmatch(path):
            if path.startswith(FILE) and not self.storage.holds(path[len(FILE) :]):
                raise Refusal(404, "no such file")
            return receive
        if method == "POST" and path == UPLOAD:
            self._keep_room(headers, held)
            return receive
        if method == "POST" and CALL.fullmatch(path):
            return await self._call(headers, receive)
        raise Refusal(404, "not found")

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        """A page of another site, or of another server of this machine, must not use this one
        through its browser."""
        host, port = _host(f"//{headers.get('host', '')}")
        if self.is_local and self.access.is_open and host not in LOCAL:
            raise Refusal(
                403,
                f"this server is called {' or '.join(LOCAL[:2])}, or has --auth",
            )
        origin = headers.get("origin")
        if origin is not None:
            other, other_port = _host(origin)
            # A proxy may have left out its port.
            if other != host or (port is not None and other_port != port):
                raise Refusal(403, "a page of another site asks")

    async def _log_in(self, headers: Mapping[str, str], receive: Receive) -> None:
        form = await _body(headers, receive, 2**12)
        raise _LoggedIn if await self.access.logs_in(form) else Refusal(401, "wrong credentials")

    def _keep_room(self, headers: Mapping[str, str], held: ExitStack) -> None:
        """For an upload. Its length is not counted where it comes in chunks, whatever it says."""
        size = None if "transfer-encoding" in headers else _length(headers)
        if size is None:
            raise Refusal(411, "say how long the upload is: Content-Length")
        if size > self.limits.upload_bytes:
            most = self.limits.upload_bytes / 10**6
            raise Refusal(413, f"an upload is of {most:g} MB at most; send less at once")
        try:
            held.enter_context(self.storage.room_for(size))
        except ImtransError as error:
            raise Refusal(503, str(error)) from error

    async def _call(self, headers: Mapping[str, str], receive: Receive) -> Receive:
        body = await _body(headers, receive, self.limits.request_bytes)
        try:
            check_call(body, self.storage.holds)
        except ImtransError as error:
            raise Refusal(422, str(error)) from error
        return _again(body, receive)


class _LoggedIn(Exception):
    pass


class _Heard:
    """What a client sends, as long as it goes on sending."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._whole = receive, False
        self.ended = False  # the client is gone

    async def receive(self) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), None if self._whole else STALL)
        except TimeoutError:
            raise Refusal(408, "the request was not sent to its end") from None
        self._whole = not message.get("more_body")
        self.ended = message["type"] == "http.disconnect"
        return message


class _Answer:
    """Sends on what the application answers, with the headers of every answer."""

    def __init__(self, send: Send) -> None:
        self._send, self._begun, self._failed = send, False, False

    async def send(self, message: Message) -> None:
        # What starlette says of an exception, which it raises again: the gate has a line for it.
        self._failed |= message.get("status") == 500 and not self._begun
        if not self._failed:
            await self._pass_on(message)

    async def refuse(self, refusal: Refusal) -> None:
        await self.give(refusal.status, refusal.body, refusal.headers)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", ()), *own]}
        await self._send(message)

    async def give(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        if self._begun:
            return
        lines = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        encoded = [(name.encode(), value.encode()) for name, value in lines.items()]
        await self._pass_on({"type": "http.response.start", "status": status, "headers": encoded})
        await self._pass_on({"type": "http.response.body", "body": body})


def _failure(path: str, error: Exception) -> Refusal:
    """What a client hears of an exception; who serves hears of all that no client's data causes."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal(503, NO_DISK)
    if path == UPLOAD and not isinstance(error, OSError):
        return Refusal(400, NO_UPLOAD)
    logging.getLogger(__name__).error("a request failed", exc_info=error)
    return Refusal(500, FAULT)


def _whole_files(scope: Message) -> Message:
    """The same request for whole files: gradio fails at several ranges, and none is needed."""
    return {**scope, "headers": [line for line in scope["headers"] if line[0] != b"range"]}


def _headers(scope: Message) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _host(address: str) -> tuple[str, int | None]:
    """The name of a host, and the port where the address says it."""
    try:
        found = urlsplit(address)
        return found.hostname or "", found.port
    except ValueError:
        return "", None


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


async def _body(headers: Mapping[str, str], receive: Receive, most: int) -> bytes:
    """The body of a request, of so many bytes at most. Raises Refusal."""
    too_large = Refusal(413, f"a request is of {most / 10**6:.3g} MB at most")
    if (_length(headers) or 0) > most:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the request ended early")
        body += message.get("body", b"")
        if len(body) > most:
            raise too_large
        if not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Hands out a body that was read already, then what else there is to hear."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return left.pop() if left else await receive()

    return received
