"""Byte counts and untrusted text, formatted for display."""

import textwrap
import unicodedata


def size(count: float) -> str:
    """A number of bytes in a readable unit: `1.5 GB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def plain(text: object, limit: int = 120) -> str:
    """Text from a server or an archive, on one line and without control characters."""
    line = "".join(letter if is_shown(letter) else "?" for letter in str(text))
    return line if len(line) <= limit else f"{line[:limit]}..."


def readable(text: str) -> str:
    """Text of any origin as a terminal may have it: of what moves the cursor, changes colours or
    hides what is beside it, only line breaks and tabs are left."""
    if text.isprintable():
        return text
    return "".join(letter if letter in "\n\t" or is_shown(letter) else "?" for letter in text)


def is_shown(letter: str) -> bool:
    """Whether a terminal shows a character as itself, and does nothing else with it."""
    return letter.isprintable() or unicodedata.category(letter) == "Zs"  # spaces of all widths


def counted(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`; `many` is for irregular plurals."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def wrapped(text: str, width: int, hang: int = 2) -> str:
    """Lines broken between words so that they fit `width` columns; what goes on is indented by
    `hang` more than its line. Words that are longer, as paths, stay whole."""
    return "\n".join(_wrapped_line(line, width, hang) for line in text.split("\n"))


def _wrapped_line(line: str, width: int, hang: int) -> str:
    indent = " " * min(len(line) - len(line.lstrip(" ")) + hang, width // 2)
    rows = textwrap.wrap(
        line,
        max(width, 1),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(rows)
