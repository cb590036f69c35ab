"""What is to be translated, and where each result goes: same tree, same names."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from imtrans.api.errors import ImtransError, some
from imtrans.api.pictures import SUFFIXES, Picture, find_images
from imtrans.data.encoding import Encoding, Side
from imtrans.data.pixels.encode import KEPT, FileFormat, is_written_here
from imtrans.data.pixels.masks import mask_beside, without_masks
from imtrans.host.files import is_ours


@dataclass(frozen=True)
class Job:
    """A file that is read, and those that are written: one for each seed.

    `mask` is read with it. `is_shared`: without some other input these results would have had
    another name, or those of that input this one.
    """

    path: Path
    results: tuple[Path, ...]
    mask: Path | None = None
    is_shared: bool = False


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
    whole = paths if names is None and inputs.is_dir() else _with_siblings(root, paths)
    results, shared = _results(whole, encoding, file_format)
    jobs = [
        Job(
            root / path,
            tuple(output / place for place in _places(results[path], seeds)),
            _mask_of(root / path) if encoding.takes_mask else None,
            results[path] in shared,
        )
        for path in paths
    ]
    _check_free(jobs, root, output)
    return jobs


def _check_free(jobs: Iterable[Job], root: Path, output: Path) -> None:
    """Raise ImtransError where a result would replace an input, or what somebody else wrote."""
    there, over, root_, output_ = [], [], root.resolve(), output.resolve()
    inputs = {root_ / job.path.relative_to(root) for job in jobs}
    for job in jobs:
        for place in job.results:
            name = place.relative_to(output)
            if not os.path.exists(place):  # or it is a name that no file can have
                continue
            there.append(str(name))
            if output_ / name in inputs or _is_one_file(place, job.path):
                over.append(str(name))
    if there and not is_ours(output):
        raise ImtransError(
            f"{output}: holds files that no translation has written, and results would replace "
            f"{some(there)}. choose another --output"
        )
    if over:
        raise ImtransError(
            f"{output}: results would replace the inputs {some(over)}. choose another --output"
        )


def _is_one_file(one: Path, other: Path) -> bool:
    return os.path.exists(other) and os.path.samefile(one, other)


def _mask_of(path: Path) -> Path | None:
    mask = mask_beside(Picture(str(path)))
    return Path(mask.path) if mask else None


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
    target = getattr(encoding, "target", None)
    if file_format.is_lossy and isinstance(target, Side) and target.labels:
        raise ImtransError(
            f"{file_format.suffix} blurs the colours of classes into others; use --format png"
        )


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
    return [Path(name) for name in find_images(inputs)] if inputs.is_dir() else [Path(inputs.name)]


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
    if not path.is_absolute() and ".." in path.parts[1:]:
        raise ImtransError(f"the list names '{name}'; write it without '..'")
    if path.is_absolute() or ".." in path.parts:
        raise ImtransError(
            f"the list names '{name}', which is not below {root}; name the folder of all as INPUT"
        )
    return path


def _with_siblings(root: Path, paths: Sequence[Path]) -> list[Path]:
    """The paths, and all images in their folders: which name a result gets does not depend on what
    else a list names."""
    found = set()
    for folder in {path.parent for path in paths}:
        with suppress(OSError):  # whose images are missing
            names = os.listdir(root / folder)
            found |= {
                folder / name
                for name in names
                if name.lower().endswith(SUFFIXES) and not name.startswith(".")
            }
    return sorted(found) + [path for path in paths if path not in found]


def _places(result: Path, seeds: Sequence[int | None]) -> Iterator[Path]:
    if len(seeds) == 1:
        return iter([result])
    return (Path(f"seed-{seed}", result) for seed in seeds)


def _with_seed(result: Path, seed: int | None, count: int) -> Path:
    return result if count == 1 else result.with_stem(f"{result.stem}-seed-{seed}")


def _results(
    names: Sequence[Path], encoding: Encoding, file_format: FileFormat
) -> tuple[Mapping[Path, Path], Collection[Path]]:
    """Each input's own name, with another suffix where its format would lose something; and which
    of these several inputs would have."""
    suffixes = {name: _suffix(name.suffix, encoding, file_format) for name in names}
    results = {name: name for name in names if suffixes[name] == name.suffix}
    # No two that differ in case alone, as the output may be on a disk that sees no difference.
    taken = {_folded(name) for name in results}
    folders = {name.parent for name in names}
    taken |= {_folded(each) for folder in folders for each in (folder, *folder.parents)}
    shared = set()
    for name in names:
        if name in results:
            continue
        result = usual = name.with_suffix(suffixes[name])
        while _folded(result) in taken:
            # Beside a.png the translation of a.jpg is a.jpg.png: neither replaces the other.
            shared |= {_folded(result), _folded(usual)}
            longer = name if result is usual else result
            result = longer.with_name(f"{longer.name}{suffixes[name]}")
            shared.add(_folded(result))
        taken.add(_folded(result))
        results[name] = result
    return results, {result for result in results.values() if _folded(result) in shared}


def _folded(name: Path) -> str:
    return str(name).casefold()


def _suffix(suffix: str, encoding: Encoding, file_format: FileFormat) -> str:
    return file_format.suffix_for(suffix, encoding.result_channels, encoding.result_dtype)
