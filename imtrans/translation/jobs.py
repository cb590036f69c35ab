"""What is to be translated, and where each result goes: same tree, same names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from imtrans.api.errors import ImtransError, some
from imtrans.api.pictures import SUFFIXES, find_images
from imtrans.data.encoding import Encoding
from imtrans.data.pixels.encode import KEPT, FileFormat, is_written_here
from imtrans.data.pixels.masks import without_masks
from imtrans.host.files import is_ours


@dataclass(frozen=True)
class Job:
    """A file that is read, and those that are written: one for each seed."""

    path: Path
    results: tuple[Path, ...]


def plan(
    inputs: Path,
    output: Path,
    encoding: Encoding,
    *,
    names: Sequence[str] | None = None,
    file_format: FileFormat = KEPT,
    seeds: Sequence[int | None] = (None,),
) -> list[Job]:
    """What will be read below the folder `inputs` (or only those `names` there), and what written.

    With several seeds the results of each have a folder of their own, seed-0 and so on. Raises
    ImtransError when there is nothing to do, or when a result would replace a file that no
    translation has written.
    """
    check_there(inputs)
    _check_format(file_format, encoding)
    if output.exists() and not output.is_dir():
        raise ImtransError(f"{output}: is a file; the output is a folder")
    root = root_of(inputs)
    if output.resolve() == root.resolve():
        raise ImtransError(f"{output}: results would replace the inputs; choose another --output")
    paths = _found(inputs) if names is None else _named(root, names)
    if encoding.takes_mask:
        paths = without_masks(paths)
    if not paths:
        raise ImtransError(f"{inputs}: no images there (looked for {', '.join(SUFFIXES)})")
    results = list(_places(_results(paths, encoding, file_format), seeds))
    foreign = [str(place) for places in results for place in places if (output / place).exists()]
    if foreign and not is_ours(output):
        raise ImtransError(
            f"{output}: holds files that no translation has written, and results would replace "
            f"{some(foreign)}. choose another --output"
        )
    return [
        Job(root / path, tuple(output / place for place in places))
        for path, places in zip(paths, results, strict=True)
    ]


def root_of(inputs: Path) -> Path:
    """The folder that the tree of results is like: the input, or where the one image is."""
    return inputs if inputs.is_dir() else inputs.parent


def check_there(inputs: Path) -> None:
    if not inputs.exists():
        raise ImtransError(f"{inputs}: no such file or folder")


def plan_file(
    image: Path,
    output: Path | None,
    name: str,
    encoding: Encoding,
    *,
    file_format: FileFormat = KEPT,
    seeds: Sequence[int | None] = (None,),
    overwrite: bool = False,
) -> Job:
    """One image and the file that its result goes to, by default IMAGE-NAME beside it; with several
    seeds each result has -seed-N in its name. Raises ImtransError as `plan`, or when the output's
    format would lose something and that was not asked for."""
    check_there(image)
    _check_format(file_format, encoding)
    suffix = _suffix((output or image).suffix, encoding, file_format)
    result = output or image.with_name(f"{image.stem}-{name}{suffix}")
    if output and suffix.lower() != output.suffix.lower():
        raise ImtransError(_other_suffix(output, suffix, file_format, encoding))
    places = tuple(_with_seed(result, seed, len(seeds)) for seed in seeds)
    for place in places:
        if place.is_dir() or (place.exists() and not (overwrite or is_written_here(place))):
            raise ImtransError(
                f"{place}: exists already, and is not the result of a translation. choose another "
                "--output" + ("" if place.is_dir() else ", or add --overwrite")
            )
        if place.exists() and place.samefile(image):
            raise ImtransError(f"{place}: would replace the input; choose another --output")
    return Job(image, places)


def _check_format(file_format: FileFormat, encoding: Encoding) -> None:
    if why := file_format.why_not(encoding.result_channels, encoding.result_dtype):
        raise ImtransError(f"{why}; use --format png or tif")


def _other_suffix(output: Path, suffix: str, file_format: FileFormat, encoding: Encoding) -> str:
    """Why the result of one image is not written as the file that was named."""
    use = f"use --output {quote(str(output.with_suffix(suffix)))}"
    if file_format.suffix:
        return f"{output}: --format says {suffix}. {use}"
    wanted = FileFormat(output.suffix)
    lossy = wanted.why_not(encoding.result_channels, encoding.result_dtype) is None
    accept = f", or --format {output.suffix[1:].lower()} to accept that" if lossy else ""
    return f"{output}: {output.suffix} would lose something of the result. {use}{accept}"


def _found(inputs: Path) -> list[Path]:
    """The images below a folder, but for those in an output folder of an earlier translation."""
    if not inputs.is_dir():
        return [Path(inputs.name)]
    names = map(Path, find_images(inputs))
    return [name for name in names if not _is_a_result(inputs, name)]


def _named(root: Path, names: Sequence[str]) -> list[Path]:
    """Those of a list, each once, below `root`. A missing one is heard of when it is opened."""
    paths = dict.fromkeys(_below(root, name) for name in names)
    other = [str(path) for path in paths if path.suffix.lower() not in SUFFIXES]
    if other:
        raise ImtransError(
            f"the list names what is no image: {some(other)}; an image's suffix is "
            f"one of {', '.join(SUFFIXES)}"
        )
    return list(paths)


def _below(root: Path, name: str) -> Path:
    path = Path(name)
    if path.is_absolute():
        for base in (root.absolute(), root.resolve()):
            if path.is_relative_to(base):
                path = path.relative_to(base)
    if path.is_absolute() or ".." in path.parts:
        raise ImtransError(
            f"the list names '{name}', which is not below {root}; name the folder of all as INPUT"
        )
    return path


def _is_a_result(root: Path, name: Path) -> bool:
    """Whether an image below the input is in the output folder of an earlier translation."""
    return any(is_ours(root / parent) for parent in list(name.parents)[:-1])


def _places(results: Sequence[Path], seeds: Sequence[int | None]) -> Iterator[tuple[Path, ...]]:
    for result in results:
        if len(seeds) == 1:
            yield (result,)
        else:
            yield tuple(Path(f"seed-{seed}", result) for seed in seeds)


def _with_seed(result: Path, seed: int | None, count: int) -> Path:
    return result if count == 1 else result.with_stem(f"{result.stem}-seed-{seed}")


def _results(names: list[Path], encoding: Encoding, file_format: FileFormat) -> list[Path]:
    """Each input's own name, with another suffix where its format would lose something."""
    suffixes = {name: _suffix(name.suffix, encoding, file_format) for name in names}
    kept = {name for name in names if suffixes[name] == name.suffix}
    taken, results = set(kept), []
    for name in names:
        result = name
        if name not in kept:
            suffix = suffixes[name]
            result = name.with_suffix(suffix)
            while result in taken:
                # Beside a.png the translation of a.jpg is a.jpg.png: neither replaces the other.
                name = name.with_name(f"{name.name}{suffix}")
                result = name
        taken.add(result)
        results.append(result)
    return results


def _suffix(suffix: str, encoding: Encoding, file_format: FileFormat) -> str:
    return file_format.suffix_for(suffix, encoding.result_channels, encoding.result_dtype)
