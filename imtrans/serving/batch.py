"""Several files in, a zip out: the results, and a line for each file that has none."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from zipfile import ZIP_STORED, ZipFile

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.serving.limits import Limits
from imtrans.serving.served import Draw, Served
from imtrans.serving.storage import Storage

ZIP = b"PK\x03\x04"


class Zipped:
    """A zip of results as it grows. The results are images, which are compressed already."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._names: set[str] = set()

    def add(self, file: Path) -> None:
        """Put a file in, under a name of its own, and delete it."""
        with ZipFile(self.place, "a", ZIP_STORED) as found:
            found.write(file, self._free(file.name))
        file.unlink()
        file.parent.rmdir()

    def _free(self, name: str) -> str:
        path, number, free = PurePath(name), 1, name
        while free.lower() in self._names:  # one file on systems that know no capitals
            number += 1
            free = f"{path.stem}-{number}{path.suffix}"
        self._names.add(free.lower())
        return free

    def __len__(self) -> int:
        return len(self._names)


def translate_batch(
    served: Served, files: Sequence[str], choice: Draw, storage: Storage, limits: Limits
) -> tuple[Path, int, list[str]]:
    """The zip, how many results are in it, and a line for each file that was skipped. Raises
    ImtransError where there is no result at all."""
    if not files:
        raise ImtransError("no files; choose some images first")
    if len(files) > limits.images:
        raise ImtransError(
            f"{len(files)} files; a batch is of {limits.images} at most. send it in parts"
        )
    zipped = Zipped(storage.place(f"{served.name}.zip"))
    skipped = []
    for file in files:
        try:
            zipped.add(translate_file(served, file, choice, storage))
        except ImtransError as error:
            skipped.append(str(error))
    if not len(zipped):
        first, more = skipped[0], len(skipped) - 1
        raise ImtransError(f"{first}; likewise {more} more" if more else first)
    return zipped.place, len(zipped), skipped


def translate_file(served: Served, file: str, choice: Draw, storage: Storage) -> Path:
    """The exact result for a file of the server's folder. Raises ImtransError, which names the file
    as the client knows it."""
    storage.check_open()
    made = served.translated(uploaded(file), choice)
    return served.written(made, file, storage)


def uploaded(file: str) -> Picture:
    """A client's file, under its own name alone. Raises ImtransError where it is no image."""
    name = Path(file).name
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise ImtransError(f"{name}: it is no longer there; upload it again") from error
    if content.startswith(ZIP):
        raise ImtransError(f"{name}: a zip; send the images in it instead")
    if content.lstrip()[:5].lower() in (b"<svg ", b"<?xml"):
        raise ImtransError(f"{name}: a vector drawing; send it as PNG")
    if content.startswith(b"GIF8"):
        raise ImtransError(f"{name}: a GIF; send it as PNG")
    return Picture(name, content=content)
