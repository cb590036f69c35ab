"""Sizes and strangers' words, as they may stand in a line for a person."""


def size(count: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def plain(text: object, limit: int = 120) -> str:
    """What a server or an archive says, on one line, with nothing that a terminal would obey."""
    line = "".join(letter if letter.isprintable() else "?" for letter in str(text))
    return line if len(line) <= limit else f"{line[:limit]}..."


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
