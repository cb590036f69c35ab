"""Addresses on a hub: hf://OWNER/NAME, or hf://OWNER/NAME@REVISION."""

import re
from dataclasses import dataclass
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.host.words import plain

SCHEME = "hf://"
# As hubs have them: 96 characters, not at the ends of a name `-` or `.`
PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
REPOSITORY = re.compile(rf"(?=.{{1,96}}\Z){PART}/{PART}")
REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,200}")


@dataclass(frozen=True)
class Address:
    repository: str  # OWNER/NAME
    revision: str = "main"  # a branch, a tag or a commit

    @property
    def name(self) -> str:
        return self.repository.partition("/")[2]

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"{SCHEME}{self.repository}{revision}"


def is_address(named: str | Path) -> bool:
    return isinstance(named, str) and named.startswith(SCHEME)


def address(text: str) -> Address:
    """What a text that `is_address` says. Raises ImtransError."""
    repository, at, revision = text.removeprefix(SCHEME).rstrip("/").partition("@")
    if not is_repository(repository) or (at and not _is_revision(revision)):
        raise ImtransError(
            f"'{plain(text)}': expected hf://OWNER/NAME, or hf://OWNER/NAME@REVISION"
        )
    return Address(repository, revision) if at else Address(repository)


def check_repository(text: str) -> str:
    """The name of a repository, OWNER/NAME. Raises ImtransError."""
    name = text.removeprefix(SCHEME)
    if not is_repository(name):
        raise ImtransError(
            f"'{plain(text)}' is not the name of a repository: OWNER/NAME is expected, of letters, "
            "digits, '-', '_' and '.'"
        )
    return name


def is_repository(text: str) -> bool:
    strange = "--" in text or ".." in text or text.endswith(".git")
    return bool(REPOSITORY.fullmatch(text)) and not strange


def _is_revision(text: str) -> bool:
    # It names a file in the cache.
    return bool(REVISION.fullmatch(text)) and ".." not in text and "//" not in text
