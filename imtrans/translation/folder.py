"""Every image below a folder through a translator: same tree, same names, nothing lost."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from imtrans.data import images
from imtrans.errors import ImtransError
from imtrans.translation.translator import Translator

LOSSLESS = (".png", ".bmp", ".tif", ".tiff")
AHEAD = 4  # images decoded before their turn, and as many waiting to be written


@dataclass
class Outcome:
    """What became of a folder."""

    done: int = 0
    broken: list[str] = field(default_factory=list)  # one line each, naming the file


def plan(inputs: Path, output: Path) -> list[tuple[Path, Path]]:
    """What will be read and what written. Raises ImtransError when there is nothing to do, or when
    a result would replace an input."""
    if not inputs.exists():
        raise ImtransError(f"{inputs}: no such file or folder")
    if output.exists() and not output.is_dir():
        raise ImtransError(f"{output}: is a file; the output is a folder")
    root = inputs if inputs.is_dir() else inputs.parent
    if output.resolve() == root.resolve():
        raise ImtransError(f"{output}: results would replace the inputs; choose another --output")
    names = images.find_images(inputs) if inputs.is_dir() else [Path(inputs.name)]
    names = [name for name in names if not (root / name).is_relative_to(output)]
    if not names:
        raise ImtransError(f"{inputs}: no images there (looked for {', '.join(images.SUFFIXES)})")
    return [
        (root / name, output / result) for name, result in zip(names, _results(names), strict=True)
    ]


def translate_files(
    translator: Translator, jobs: list[tuple[Path, Path]], on_done: Callable[[], None]
) -> Outcome:
    """Translate each input into its output; what cannot be read is reported and skipped.

    Decoding and encoding run in threads beside the network. Raises ImtransError when a result
    cannot be written: the rest would fail too.
    """
    outcome = Outcome()
    channels = translator.colours.stored_channels[0]
    with ThreadPoolExecutor(max_workers=2) as pool:
        writing: deque[Future[None]] = deque()
        try:
            for result, image in _read_ahead(pool, jobs, channels):
                if isinstance(image, ImtransError):
                    outcome.broken.append(str(image))
                else:
                    writing.append(pool.submit(_write, translator(image), result))
                    outcome.done += 1
                while len(writing) > AHEAD:
                    writing.popleft().result()
                on_done()
            for pending in writing:
                pending.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return outcome


def _results(names: list[Path]) -> list[Path]:
    """Each input's own name; where its format would lose something (JPEG, WebP) it becomes .png."""
    taken = {name for name in names if name.suffix.lower() in LOSSLESS}
    results = []
    for name in names:
        if name not in taken:
            png = name.with_suffix(".png")
            # Beside a.png the translation of a.jpg is a.jpg.png: neither replaces the other.
            name = png if png not in taken else name.with_name(f"{name.name}.png")
            taken.add(name)
        results.append(name)
    return results


def _read_ahead(
    pool: ThreadPoolExecutor, jobs: list[tuple[Path, Path]], channels: int
) -> Iterator[tuple[Path, Image.Image | ImtransError]]:
    reading: deque[tuple[Path, Future[Image.Image | ImtransError]]] = deque()
    for source, result in jobs:
        reading.append((result, pool.submit(_read, source, channels)))
        if len(reading) > AHEAD:
            path, image = reading.popleft()
            yield path, image.result()
    for path, image in reading:
        yield path, image.result()


def _read(path: Path, channels: int) -> Image.Image | ImtransError:
    try:
        return images.read(path, channels)
    except ImtransError as error:
        return error


def _write(image: Image.Image, path: Path) -> None:
    """Write beside and rename, so that an interruption leaves no half image under a good name."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Level 1: PNG's default takes four times as long for files a tenth smaller.
        options = {"compress_level": 1} if path.suffix.lower() == ".png" else {}
        with partial.open("wb") as file:
            image.save(file, format=Image.registered_extensions()[path.suffix.lower()], **options)
        os.replace(partial, path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImtransError(f"{path}: cannot be written: {reason}") from error
    finally:
        partial.unlink(missing_ok=True)
