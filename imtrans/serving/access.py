"""Who may use a server: everybody who reaches it, or who knows a name and a password.

HTTP Basic, which browsers ask for and `curl -u` sends; and a cookie for who has logged in once, as
`gradio_client` does. Both are checked before anything of gradio sees a request.
"""

import asyncio
import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from imtrans.api.errors import ImtransError

AUTH = "IMTRANS_SERVE_AUTH"  # the environment variable; arguments are seen by all who may call `ps`
COOKIE = "imtrans-serve"
PAUSE = 1.0  # s after a wrong password; only one is tried at a time


def user_and_password(option: str | None) -> str | None:
    """USER:PASSWORD, of the option, of the file that it names as @FILE, or of the environment; None
    where there is none of them. Raises ImtransError."""
    found = option if option is not None else os.environ.get(AUTH) or None
    if found is None:
        return None
    if found.startswith("@"):
        found = _first_line(Path(found[1:]))
    user, colon, password = found.partition(":")
    if not (user and colon and password):
        raise ImtransError(
            f"--auth (or {AUTH}) is USER:PASSWORD, or @FILE with that in its first line"
        )
    return found


def _first_line(file: Path) -> str:
    try:
        return next(iter(file.read_text("utf-8").splitlines()), "").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ImtransError(f"--auth: {file}: {reason.lower()}") from error


class Access:
    """Knows one user, or lets everybody in (`credentials` None)."""

    def __init__(self, credentials: str | None) -> None:
        self._wanted = credentials.encode() if credentials else None
        self._token = secrets.token_urlsafe(32)
        self._one_failure = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        return self._wanted is None

    @property
    def cookie(self) -> str:
        """The header for who has logged in: it is good while this server runs."""
        return f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"

    async def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from the user; after a wrong password it takes a while."""
        if self._wanted is None or self._has_cookie(headers.get("cookie", "")):
            return True
        scheme, _, text = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            given = b""
        return await self._is_right(given)

    async def logs_in(self, form: bytes) -> bool:
        """Whether a form, `username=...&password=...`, is the user's."""
        fields = parse_qs(form.decode("utf-8", "replace"))
        user, password = (fields.get(name, [""])[0] for name in ("username", "password"))
        return await self._is_right(f"{user}:{password}".encode())

    async def _is_right(self, given: bytes) -> bool:
        if self._wanted is None or hmac.compare_digest(given, self._wanted):
            return True
        async with self._one_failure:
            await asyncio.sleep(PAUSE)
        return False

    def _has_cookie(self, text: str) -> bool:
        try:
            found = SimpleCookie(text).get(COOKIE)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(found.value.encode(), self._token.encode())
