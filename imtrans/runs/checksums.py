"""SHA-256 of the files of a folder, in a file beside them that `sha256sum -c` reads too."""

import hashlib
from pathlib import Path

from imtrans.api.errors import ImtransError, some

SUMS = "SHA256SUMS"


def write_sums(folder: Path) -> Path:
    """Note the sums of all files in a folder. Raises OSError."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    text = "".join(f"{sum_of(path)}  {path.name}\n" for path in files)
    (folder / SUMS).write_text(text, encoding="utf-8")
    return folder / SUMS


def verify(folder: Path, only: str | None = None) -> bool:
    """Whether the folder has sums, of all files or of `only` one; raises ImtransError when a file
    is not what it was, or missing. Checkpoints written before there were sums have none."""
    sums = folder / SUMS
    if not sums.is_file():
        return False
    try:
        lines = (line.split("  ", 1) for line in sums.read_text(encoding="utf-8").splitlines())
        rows = [(noted, name) for noted, name in lines if only in (None, name)]
        wrong = [name for noted, name in rows if _differs(folder / name, noted)]
        if only is None:  # the sums themselves may have been cut off
            listed = {name for _, name in rows}
            # Beside what was pulled from a hub other files may be, as its card.
            weights = {path.name for path in folder.glob("*.safetensors")}
            wrong += sorted(weights - listed)
    except (ValueError, OSError) as error:
        raise ImtransError(f"{sums}: damaged: {error}") from error
    if wrong:
        raise ImtransError(f"{folder}: damaged: {some(wrong)} changed since it was written")
    return bool(rows)


def _differs(path: Path, noted: str) -> bool:
    return not path.is_file() or sum_of(path) != noted


def sum_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
