"""Every image below a folder through a translator: same tree, same names, nothing lost."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from imtrans.api.errors import ImtransError, is_out_of_memory, some
from imtrans.api.pictures import SUFFIXES, Picture, find_images
from imtrans.data.encoding import Encoding
from imtrans.data.pixels.encode import encode, result_suffix
from imtrans.data.pixels.masks import without_masks
from imtrans.host.files import MARK, is_ours, mark
from imtrans.host.locks import Locked, locked
from imtrans.translation.translator import Translator

AHEAD = 4  # images read before their turn, and as many waiting to be written
Job = tuple[Path, Path]  # what is read, what is written


@dataclass
class TranslatedFolder:
    """What became of a folder."""

    done: int = 0
    broken: list[str] = field(default_factory=list)  # one line each, naming the file


def plan(inputs: Path, output: Path, encoding: Encoding) -> list[Job]:
    """What will be read and what written. Raises ImtransError when there is nothing to do, or when
    a result would replace a file that an earlier translation has not written."""
    if not inputs.exists():
        raise ImtransError(f"{inputs}: no such file or folder")
    if output.exists() and not output.is_dir():
        raise ImtransError(f"{output}: is a file; the output is a folder")
    root = inputs if inputs.is_dir() else inputs.parent
    if output.resolve() == root.resolve():
        raise ImtransError(f"{output}: results would replace the inputs; choose another --output")
    names = find_images(inputs) if inputs.is_dir() else [inputs.name]
    paths = [Path(name) for name in names if not _is_a_result(root, Path(name))]
    if encoding.takes_mask:
        paths = without_masks(paths)
    if not paths:
        raise ImtransError(f"{inputs}: no images there (looked for {', '.join(SUFFIXES)})")
    results = _results(paths, encoding)
    foreign = [str(path) for path in results if (output / path).exists()]
    if foreign and not is_ours(output):
        raise ImtransError(
            f"{output}: holds files that no translation has written, and results would replace "
            f"{some(foreign)}. choose another --output"
        )
    return [(root / path, output / result) for path, result in zip(paths, results, strict=True)]


def _is_a_result(root: Path, name: Path) -> bool:
    """Whether an image below the input is in the output folder of an earlier translation."""
    return any(is_ours(root / parent) for parent in list(name.parents)[:-1])


def translate_files(
    translator: Translator, jobs: list[Job], output: Path, on_done: Callable[[], None]
) -> TranslatedFolder:
    """Translate each input into its place below `output`; what cannot be read, or is too large for
    the memory, is skipped.

    Reading and writing run in threads beside the network. Raises ImtransError when a result
    cannot be written: the rest would fail too; and when another process writes there.
    """
    outcome = TranslatedFolder()
    with alone_in(output), ThreadPoolExecutor(max_workers=2) as pool:
        writing: deque[Future[None]] = deque()
        try:
            for (path, place), source in _read_ahead(pool, jobs, translator):
                result = _result(translator, path, source)
                if isinstance(result, ImtransError):
                    outcome.broken.append(str(result))
                else:
                    dtype = translator.encoding.result_dtype
                    writing.append(pool.submit(encode, result, place, dtype))
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


@contextmanager
def alone_in(output: Path) -> Iterator[None]:
    """Mark a folder as made by imtrans, and let no other translation write there meanwhile."""
    mark(output)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(output / MARK))
        except Locked as error:
            raise ImtransError(
                f"{output}: another translation writes there. wait for it, or choose another "
                "--output"
            ) from error
        yield


def _result(
    translator: Translator, path: Path, source: Tensor | ImtransError
) -> Tensor | ImtransError:
    """The translation of what was read; or why there is none."""
    if isinstance(source, ImtransError):
        return source
    try:
        return translator.result(source)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        height, width = source.shape[-2:]
        return ImtransError(
            f"{path}: not enough memory for {width} x {height} px. cut it into parts, or scale it "
            "down"
        )


def _results(names: list[Path], encoding: Encoding) -> list[Path]:
    """Each input's own name, with another suffix where its format would lose something."""

    def suffix(name: Path) -> str:
        return result_suffix(name.suffix, encoding.result_channels, encoding.result_dtype)

    kept = {name for name in names if suffix(name) == name.suffix}
    taken, results = set(kept), []
    for name in names:
        result = name
        if name not in kept:
            result = name.with_suffix(suffix(name))
            while result in taken:
                # Beside a.png the translation of a.jpg is a.jpg.png: neither replaces the other.
                name = name.with_name(f"{name.name}{suffix(name)}")
                result = name
        taken.add(result)
        results.append(result)
    return results


def _read_ahead(
    pool: ThreadPoolExecutor, jobs: list[Job], translator: Translator
) -> Iterator[tuple[Job, Tensor | ImtransError]]:
    reading: deque[tuple[Job, Future[Tensor | ImtransError]]] = deque()
    for job in jobs:
        reading.append((job, pool.submit(_read, job[0], translator)))
        if len(reading) > AHEAD:
            before, image = reading.popleft()
            yield before, image.result()
    for before, image in reading:
        yield before, image.result()


def _read(path: Path, translator: Translator) -> Tensor | ImtransError:
    try:
        return translator.given(Picture(str(path)))
    except ImtransError as error:
        return error
    except ValueError as error:  # a derivation was not given what it needs
        return ImtransError(f"{path}: {error}")
