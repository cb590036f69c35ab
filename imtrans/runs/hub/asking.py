"""Ask a hub, through huggingface_hub; what goes wrong becomes one line."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import imtrans
from imtrans.api.errors import ImtransError
from imtrans.host.foreign import reason

EXTRA = 'pip install "imtrans[hub]"'
TOKEN = "`hf auth login` saves a token, or HF_TOKEN holds one"
REASON = 160  # characters of what a server says
CAUSES = 8  # of an error, the innermost of which says what happened


class HubUnreachable(ImtransError):
    """The hub did not answer, or said that it cannot now: what is in the cache may do."""


def library() -> Any:
    """huggingface_hub. Raises ImtransError where it is not installed."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImtransError(f"a hub needs huggingface_hub: {EXTRA}") from error
    huggingface_hub.logging.set_verbosity_error()  # what matters is raised
    if not sys.stderr.isatty():
        huggingface_hub.utils.disable_progress_bars()
    return huggingface_hub


def client(hub: Any) -> Any:
    """What asks the hub at HF_ENDPOINT, as the user whose token there is."""
    return hub.HfApi(library_name="imtrans", library_version=imtrans.__version__)


@contextmanager
def asking(about: str) -> Iterator[None]:
    """Make whatever goes wrong in the block one line about a repository: an ImtransError, and
    HubUnreachable where another moment may be better."""
    try:
        yield
    except ImtransError:
        raise
    except Exception as error:  # of the library, of what it imports, and of what servers answer
        raise _named(about, error) from error


def _named(about: str, error: BaseException) -> ImtransError:
    causes = list(_causes(error))
    for cause in causes:
        status = getattr(getattr(cause, "response", None), "status_code", None)
        if isinstance(status, int):
            return _refused(about, status, cause)
    kinds = {name for cause in causes for name in (kind.__name__ for kind in type(cause).__mro__)}
    if "OfflineModeIsEnabled" in kinds:
        return HubUnreachable(f"{about}: not asked for, since HF_HUB_OFFLINE is set")
    if "TimeoutException" in kinds:
        return HubUnreachable(f"{about}: {_host()} does not answer in time. try again later")
    if kinds & {"TransportError", "ConnectionError", "LocalEntryNotFoundError"}:
        said = reason(causes[-1]).partition("] ")[2] or reason(causes[-1])  # [Errno 111] ...
        return HubUnreachable(
            f"{about}: {_host()} cannot be reached: {said[:REASON].lower()}. is there a network?"
        )
    if isinstance(causes[-1], OSError) and causes[-1].strerror:
        where = f"{causes[-1].filename}: " if causes[-1].filename else ""
        return ImtransError(f"{about}: {where}{causes[-1].strerror.lower()}")
    kind, said = type(causes[-1]).__name__, reason(causes[-1])[:REASON]
    return ImtransError(f"{about}: the answer of {_host()} cannot be used: {kind}: {said}")


def _refused(about: str, status: int, error: BaseException) -> ImtransError:
    kind = type(error).__name__
    if kind == "RevisionNotFoundError":
        return ImtransError(f"{about}: no such revision; name a branch, a tag or a commit")
    if kind == "GatedRepoError":
        return ImtransError(
            f"{about}: access has to be asked for, at {_host()}/{_plain(about)}. {TOKEN}"
        )
    if "EntryNotFoundError" in kind:
        return HubUnreachable(f"{about}: a file that it lists is not there. try again later")
    if status == 401:
        return ImtransError(f"{about}: no such repository, or your token does not open it. {TOKEN}")
    if status in (403, 409):
        return ImtransError(f"{about}: you may not write there ({status}). {TOKEN}")
    if status == 404:
        return ImtransError(f"{about}: no such repository, or it is private. {TOKEN}")
    if status in (408, 429) or status >= 500:
        return HubUnreachable(f"{about}: {_host()} answers {status}. try again later")
    said = getattr(error, "server_message", None) or reason(error)
    return ImtransError(f"{about}: {_host()} answers {status}: {_short(said)}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    found: BaseException | None = error
    for _ in range(CAUSES):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def _short(text: object) -> str:
    return " ".join(str(text).split())[:REASON]


def _plain(about: str) -> str:
    return about.removeprefix("hf://").partition("@")[0]


def _host() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
