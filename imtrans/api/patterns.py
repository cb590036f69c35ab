"""Patterns of image paths, as a layout's options have them: `{name}_he.png`, `*/labels/{name}.*`.

`{name}` is what the partners of a pair share. `*` is any text within a folder's or a file's name,
`**/` any number of folders.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import SUFFIXES

NAME = "{name}"
SPECIAL = re.compile(r"(\*\*/|\*|\{name\})")


def is_pattern(text: str) -> bool:
    """Whether an option is a pattern of paths, and not the path of a folder."""
    return "*" in text or NAME in text


@dataclass(frozen=True, slots=True)
class Found:
    """What a pattern's `{name}` is in a path, and the same with the folders of its wildcards."""

    name: str
    whole: str  # as sub-01/001, where the pattern is */photos/{name}.png


class Pattern:
    """A pattern of paths below `folder`, which is the root and the folders without wildcards."""

    def __init__(self, root: str, text: str) -> None:
        """Raises ImtransError when partners could not be found by this pattern."""
        self.text = _with_suffix(_checked(text))
        parts = self.text.split("/")
        fixed = next(at for at, part in enumerate(parts) if is_pattern(part))
        self.folder = Path(root, *(part or "/" for part in parts[:fixed]))
        self.shown = str(Path(root, self.text))
        below = "/".join(parts[fixed:])
        self._regex = re.compile("".join(_pieces(below)))
        folders = below.rpartition("/")[0] + "/"
        self.wildcards = tuple(w for w in SPECIAL.findall(folders) if w != NAME)
        self.literals = len(SPECIAL.sub("", below))  # letters: how specific it is

    def match(self, path: str) -> Found | None:
        """What a path relative to `folder` is, if it fits the pattern."""
        found = self._regex.fullmatch(path)
        if found is None:
            return None
        whole = "/".join(text.strip("/") for text in found.groups() if text.strip("/"))
        return Found(found["name"], whole)

    def matches(self, paths: Iterable[str]) -> Iterator[tuple[str, Found]]:
        """The paths that fit the pattern."""
        for path in paths:
            if found := self.match(path):
                yield path, found


def _checked(text: str) -> str:
    if NAME not in text:
        folders, slash, file = text.rpartition("/")
        instead = (
            f"{folders}{slash}{file.replace('*', NAME, 1)}" if "*" in file else f"{text}{NAME}"
        )
        raise ImtransError(
            f"layout 'folders': '{text}' does not say what the names of a pair share: write "
            f'{NAME} there, as in "{instead}"'
        )
    odd = [word for word in re.findall(r"\{[^{}]*\}", text) if word != NAME]
    if odd:
        raise ImtransError(
            f"layout 'folders': '{odd[0]}' in '{text}' is not known; there are {NAME}, "
            "{split}, * and **"
        )
    if any("**" in part and part != "**" for part in text.split("/")) or text.endswith("**"):
        raise ImtransError(
            f"layout 'folders': '{text}': ** means any number of folders, as in photos/**/{NAME}.*"
        )
    return text


def _with_suffix(text: str) -> str:
    """A pattern without the suffix of an image takes every one."""
    return text if text.endswith("*") or text.lower().endswith(SUFFIXES) else f"{text}.*"


def _pieces(text: str) -> Iterator[str]:
    """The pattern as a regular expression; only `{name}` and wildcards of folders are groups."""
    named = False
    end = 0
    for piece in SPECIAL.finditer(text):
        yield re.escape(text[end : piece.start()])
        end = piece.end()
        if piece[0] == "**/":
            yield "((?:[^/]+/)*)"
        elif piece[0] == NAME:
            yield "(?P=name)" if named else "(?P<name>[^/]+)"
            named = True
        else:
            yield "([^/]*)" if "/" in text[end:] else "[^/]*"
    yield re.escape(text[end:])
