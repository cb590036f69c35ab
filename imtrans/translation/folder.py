"""Every image below a folder through a translator: same tree, same names, nothing lost; or one file
into another."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from torch import Tensor

from imtrans.api.errors import ImtransError, is_out_of_memory, some
from imtrans.api.pictures import SUFFIXES, Picture, find_images
from imtrans.data.encoding import Encoding, Given
from imtrans.data.pixels.encode import encode, is_written_here, result_suffix
from imtrans.data.pixels.masks import without_masks
from imtrans.host.files import MARK, is_ours, mark
from imtrans.host.locks import Locked, locked
from imtrans.translation.memory import tile_option
from imtrans.translation.translator import Remark, Translator

AHEAD = 4  # images read before their turn, and as many waiting to be written
Job = tuple[Path, Path]  # what is read, what is written


@dataclass
class TranslatedFolder:
    """What became of a folder."""

    done: int = 0
    broken: list[str] = field(default_factory=list)  # one line each, naming the file
    remarks: dict[str, list[str]] = field(default_factory=dict)  # by kind: what is unlike training

    def note(self, path: Path, remarks: Iterable[Remark]) -> None:
        """Keep what was remarked of a file."""
        for remark in remarks:
            self.remarks.setdefault(remark.kind, []).append(f"{path}: {remark.text}")


def plan(inputs: Path, output: Path, encoding: Encoding) -> list[Job]:
    """What will be read and what written. Raises ImtransError when there is nothing to do, or when
    a result would replace a file that an earlier translation has not written."""
    check_there(inputs)
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


def check_there(inputs: Path) -> None:
    if not inputs.exists():
        raise ImtransError(f"{inputs}: no such file or folder")


def plan_file(image: Path, output: Path | None, name: str, encoding: Encoding) -> Job:
    """One image and the file that its result goes to, by default IMAGE-NAME beside it. Raises
    ImtransError as `plan`, or when the output's format would lose something."""
    check_there(image)
    suffix = _suffix((output or image).suffix, encoding)
    result = output or image.with_name(f"{image.stem}-{name}{suffix}")
    if output and suffix != output.suffix:
        raise ImtransError(
            f"{output}: {output.suffix} would lose something of the result. use "
            f"--output {quote(str(output.with_suffix(suffix)))}"
        )
    if result.is_dir() or (result.exists() and not is_written_here(result)):
        raise ImtransError(
            f"{result}: exists already, and is not the result of a translation. choose another "
            "--output"
        )
    return image, result


def _is_a_result(root: Path, name: Path) -> bool:
    """Whether an image below the input is in the output folder of an earlier translation."""
    return any(is_ours(root / parent) for parent in list(name.parents)[:-1])


def translate_files(
    translator: Translator, jobs: list[Job], output: Path | None, on_done: Callable[[], None]
) -> TranslatedFolder:
    """Translate each input into its place, below the folder `output` if there is one; what cannot
    be read, or is too large for the memory, is skipped.

    Reading and writing run in threads beside the network. Raises ImtransError when a result
    cannot be written: the rest would fail too; and when another process writes there.
    """
    outcome = TranslatedFolder()
    alone = alone_in(output) if output else nullcontext()
    with alone, ThreadPoolExecutor(max_workers=2) as pool:
        writing: deque[Future[None]] = deque()
        try:
            for (path, place), given in _read_ahead(pool, jobs, translator):
                result = _result(translator, path, given)
                if isinstance(result, ImtransError):
                    outcome.broken.append(str(result))
                else:
                    dtype = translator.encoding.result_dtype
                    writing.append(pool.submit(encode, result, place, dtype))
                    outcome.done += 1
                    if isinstance(given, Given):
                        outcome.note(path, translator.remarks(given))
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
    translator: Translator, path: Path, given: Given | ImtransError
) -> Tensor | ImtransError:
    """The translation of what was read; or why there is none."""
    if isinstance(given, ImtransError):
        return given
    try:
        return translator.result(given)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        height, width = given.size
        return ImtransError(
            f"{path}: not enough memory for {width} x {height} px. use {_tile(translator)}, or "
            "scale it down"
        )


def _tile(translator: Translator) -> str:
    channels = translator.encoding.source_channels
    return tile_option(translator.module, channels, translator.device)


def _results(names: list[Path], encoding: Encoding) -> list[Path]:
    """Each input's own name, with another suffix where its format would lose something."""

    kept = {name for name in names if _suffix(name.suffix, encoding) == name.suffix}
    taken, results = set(kept), []
    for name in names:
        result = name
        if name not in kept:
            suffix = _suffix(name.suffix, encoding)
            result = name.with_suffix(suffix)
            while result in taken:
                # Beside a.png the translation of a.jpg is a.jpg.png: neither replaces the other.
                name = name.with_name(f"{name.name}{suffix}")
                result = name
        taken.add(result)
        results.append(result)
    return results


def _suffix(suffix: str, encoding: Encoding) -> str:
    return result_suffix(suffix, encoding.result_channels, encoding.result_dtype)


def _read_ahead(
    pool: ThreadPoolExecutor, jobs: list[Job], translator: Translator
) -> Iterator[tuple[Job, Given | ImtransError]]:
    reading: deque[tuple[Job, Future[Given | ImtransError]]] = deque()
    for job in jobs:
        reading.append((job, pool.submit(_read, job[0], translator)))
        if len(reading) > AHEAD:
            before, image = reading.popleft()
            yield before, image.result()
    for before, image in reading:
        yield before, image.result()


def _read(path: Path, translator: Translator) -> Given | ImtransError:
    try:
        return translator.given(Picture(str(path)))
    except ImtransError as error:
        return error
    except ValueError as error:  # a derivation was not given what it needs
        return ImtransError(f"{path}: {error}")
