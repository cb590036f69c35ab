"""What goes wrong with a server: what may pass by itself is tried again, the rest is not."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from imtrans.api.addresses import without_secrets
from imtrans.api.errors import ImtransError

T = TypeVar("T")
PAUSES = (0.5, 2.0)  # s before the second and the third attempt
PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers of a server that is busy or restarting
CHANGED = "it has changed since this run began. start the same command again"
WHOLE = (
    "the server sends the whole file where a part is asked for (it ignores 'Range'), so that no "
    "member can be read by itself. use another server, or copy the files to this machine"
)
# Of botocore, by their names: these say that there are no credentials, or none that work.
CREDENTIALS = ("NoCredentials", "PartialCredentials", "CredentialRetrieval", "ProfileNotFound")
_draw = random.Random()  # of its own: pauses must not move what a recipe's seed decides


class Unreadable(ImtransError):
    """Why something elsewhere cannot be read, and what to do; its address is said before it."""


class Missing(Unreadable):
    """It is not there."""


class Denied(Unreadable):
    """We may not read it."""


class Passing(Exception):
    """A fault that may pass by itself."""


def tried(ask: Callable[[], T]) -> T:
    """What `ask` returns, in at most three attempts with growing pauses between them. Raises
    Unreadable; at once for what no attempt will mend."""
    for pause in (*PAUSES, None):
        try:
            return ask()
        except ImtransError:
            raise
        except Exception as error:  # libraries raise many kinds
            fault = _sorted(error)
            if not isinstance(fault, Passing):
                raise fault from error
            if pause is None:
                raise Unreadable(
                    f"{fault} ({len(PAUSES) + 1} attempts). look at the network and the server; "
                    "the same command tries again"
                ) from error
            time.sleep(pause * _draw.uniform(0.8, 1.2))
    raise AssertionError


def refuse_status(status: int, reason: str = "") -> None:
    """Raise what an answer of this status means, unless it is a success."""
    if status >= 400:
        raise _of_status(status, reason)


def _of_status(status: int, reason: str = "") -> Exception:
    said = f"answered {status} {reason}".strip()
    if status in (404, 410):
        return Missing("no such file there. look at data.root and at the layout's 'files'")
    if status in (401, 403):
        return Denied(_denied(said))
    if status in (412, 416):
        return Unreadable(CHANGED)
    if status in PASSING:
        return Passing(said)
    return Unreadable(f"{said}. is this the right address?")


def _denied(said: str) -> str:
    return (
        f"no permission to read it ({said}). give credentials as fsspec takes them, as "
        "AWS_PROFILE=NAME; FSSPEC_S3_ANON=true reads a public bucket without any"
    )


def _sorted(error: Exception) -> Exception:
    """A Passing, or the Unreadable to raise."""
    if isinstance(error, Passing):
        return error
    status = _status(error)
    if status is not None and status >= 400:
        return _of_status(status)
    if isinstance(error, FileNotFoundError):
        return _of_status(404)
    kind = type(error).__name__
    if isinstance(error, PermissionError) or kind.startswith(CREDENTIALS):
        return Denied(_denied(_said(error)))
    if "Certificate" in kind or kind == "SSLError":
        return Unreadable(f"its certificate cannot be trusted: {_said(error)}")
    if isinstance(error, TimeoutError) or "Timeout" in kind:
        return Passing("no answer in time")
    if isinstance(error, (OSError, EOFError)) or _is_of_the_network(error):
        return Passing(_said(error))
    return Unreadable(f"it cannot be read: {_said(error)}")


def _status(error: BaseException) -> int | None:
    """The status of the answer that an error is about: of botocore, of aiohttp, or of gcsfs."""
    for one in (error, error.__cause__):  # s3fs makes its own of those of botocore
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            return found if isinstance(found, int) else None
    found = getattr(error, "status", None) or getattr(error, "code", None)
    return int(found) if isinstance(found, (int, str)) and str(found).isdigit() else None


def _is_of_the_network(error: Exception) -> bool:
    """Whether an error is one of the libraries that talk to servers."""
    modules = (kind.__module__.partition(".")[0] for kind in type(error).__mro__)
    return not {"aiohttp", "botocore", "aiobotocore", "urllib3", "gcsfs"}.isdisjoint(modules)


def _said(error: Exception) -> str:
    """What a fault says of itself, in one short line that shows no secret."""
    text = " ".join(without_secrets(str(error)).split()) or type(error).__name__
    return (text[:1].lower() + text[1:])[:200]
