"""Two folders of images, outputs and targets, whoever made the outputs."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from imtrans.api.errors import ImtransError, some
from imtrans.api.hookspecs import Metric
from imtrans.api.layouts import without_suffix
from imtrans.api.patterns import Pattern, is_pattern
from imtrans.api.pictures import Picture, find_images
from imtrans.data.encoding import Direct
from imtrans.data.pairs import spread
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.formats.header import ImageHeader, header
from imtrans.data.pixels.formats.stored import PixelSpec
from imtrans.data.reading import Sample
from imtrans.evaluation.collector import Collector
from imtrans.evaluation.pairs import tabled
from imtrans.evaluation.seen import SeenImages
from imtrans.evaluation.table import EvaluationTable
from imtrans.host.threads import Threads, usual_count
from imtrans.recipe.schema import DataTable
from imtrans.recipe.side_table import SideTable

Span = tuple[float, float]
LOOKED_AT = 40  # pairs, for whether they are in colour


@dataclass(frozen=True)
class FolderPairs:
    """Images of two folders that have the same names, and those of one that the other lacks."""

    pairs: Sequence[tuple[str, Picture, Picture]]  # name, output, target
    without_target: Sequence[str] = field(default_factory=list)
    without_output: Sequence[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.pairs]


def find_pairs(outputs: str, targets: str) -> FolderPairs:
    """The images of two folders by their names without suffix, or of two patterns by what `{name}`
    is. Raises ImtransError when a folder has no images, or when no name is in both."""
    sides = [_images(place) for place in (outputs, targets)]
    shared = sorted(sides[0].keys() & sides[1].keys())
    if not shared:
        names = [some(sorted(side), 3) for side in sides]
        raise ImtransError(
            f"no image of {outputs} has the name of one of {targets}: {names[0]} | {names[1]}. "
            "where names differ, say what they share: 'results/{name}_fake_B.png' "
            "'results/{name}_real_B.png'"
        )
    return FolderPairs(
        [(name, Picture(sides[0][name]), Picture(sides[1][name])) for name in shared],
        sorted(sides[0].keys() - sides[1].keys()),
        sorted(sides[1].keys() - sides[0].keys()),
    )


def _images(place: str) -> dict[str, str]:
    """The paths of images by their names."""
    found: dict[str, str] = {}
    for name, path in _named(place):
        if name in found:
            raise ImtransError(f"{place}: two images are named '{name}': {found[name]}, {path}")
        found[name] = path
    if not found:
        raise ImtransError(f"{place}: there are no images")
    return found


def _named(place: str) -> Iterator[tuple[str, str]]:
    """The names and paths of the images in a folder, or of those that fit a pattern."""
    if not is_pattern(place):
        for path in find_images(_checked(Path(place))):
            yield without_suffix(path), str(Path(place, path))
        return
    pattern = Pattern("", place)
    for path, found in pattern.matches(find_images(_checked(pattern.folder))):
        yield found.whole, str(pattern.folder / path)


def _checked(folder: Path) -> Path:
    if folder.is_file():
        raise ImtransError(f"{folder}: is a file; name the folder of images")
    if not folder.is_dir():
        raise ImtransError(f"{folder}: no such folder")
    return folder


def encoding_of(
    folders: FolderPairs, span: Span | None = None, max_pixels: int | None = None
) -> Direct:
    """How the pixels of both folders are read: with the depth of the first target that can be read,
    in colour where images of either folder are. `span` is the range that becomes -1 to 1; by
    default all of the depth. Raises ImtransError for another range, and where pixels are floats,
    whose range nobody knows."""
    if span is not None and not -math.inf < span[0] < span[1] < math.inf:
        given = f"{span[0]:g} {span[1]:g}"
        raise ImtransError(f"--range {given}: name two numbers, the lower one first")
    first, found = _first_header(folders)
    if found.dtype == "float32" and span is None:
        raise ImtransError(
            f"{first}: its pixels are floats, which have no range of their own: name it, as in "
            "--range 0 1"
        )
    if found.dtype not in ("uint8", "uint16", "float32"):
        raise ImtransError(f"{first}: its pixels are {found.dtype}; save them as uint8 or uint16")
    side = SideTable(
        channels=_channels(folders, found),
        dtype=found.dtype,  # type: ignore[arg-type]  # one of these three
        range=span,
        alpha="drop",
    )
    limit = {"max_pixels": max_pixels} if max_pixels else {}
    return Direct(DataTable(root=".", source=side, target=side).model_copy(update=limit))


def _channels(folders: FolderPairs, first: ImageHeader) -> int:
    """Of the first target; 8-bit images may be grey and in colour beside each other."""
    if first.dtype != "uint8" or first.colour not in ("grey", "CMYK"):
        return first.channels
    for index in spread(len(folders.pairs), LOOKED_AT):
        for picture in folders.pairs[index][1:]:
            with suppress(ImtransError):  # who measures it says so
                if header(picture).colour in ("RGB", "CMYK"):
                    return 3
    return first.channels


def _first_header(folders: FolderPairs) -> tuple[Picture, ImageHeader]:
    reason = ""
    for _, _, target in folders.pairs:
        try:
            return target, header(target)
        except ImtransError as error:
            reason = reason or f"{target}: {error}"
    raise ImtransError(f"no target can be read: {reason}")


def measured_folders(
    folders: FolderPairs,
    encoding: Direct,
    metrics: Mapping[str, Metric],
    device: torch.device,
    on_pair: Callable[[], None] = lambda: None,
) -> EvaluationTable:
    """What the metrics find in the images of two folders. An image that cannot be read, or is not
    of its target's size, is skipped. Raises ImtransError when all are."""
    collector, skipped = Collector(metrics, device), {}

    def read(index: int) -> Sample | ImtransError:
        _, output, target = folders.pairs[index]
        try:
            return _read(output, target, encoding.expected)
        except ImtransError as error:
            return error

    with Threads(usual_count()) as threads:
        for index, sample in threads.ahead(read, range(len(folders.pairs)), _bytes):
            on_pair()
            if isinstance(sample, ImtransError):
                skipped[index] = str(sample)
                continue
            collector.add([index], _seen(encoding, sample, device))
    return tabled(folders.names, collector, skipped)


def seen_again(
    folders: FolderPairs, encoding: Direct, names: Sequence[str], device: torch.device
) -> Iterator[SeenImages]:
    """The images of these names once more, one by one."""
    sides = {name: (output, target) for name, output, target in folders.pairs}
    for name in names:
        yield _seen(encoding, _read(*sides[name], encoding.expected), device)


def _seen(encoding: Direct, sample: Sample, device: torch.device) -> SeenImages:
    output, target = (encoding.target.encode(side[None].to(device)) for side in sample)
    return SeenImages(encoding, target, output, target, has_source=False)


def _read(output: Picture, target: Picture, expected: PixelSpec) -> Sample:
    made, wanted = decode(output, expected), decode(target, expected)
    if made.shape != wanted.shape:
        sizes = [f"{side.shape[-1]} x {side.shape[-2]} px" for side in (made, wanted)]
        raise ImtransError(
            f"{output}: {sizes[0]}, and its target is {sizes[1]}. bring both to one size first, in "
            "the same way for all that is to be compared"
        )
    return made, wanted


def _bytes(sample: Sample | ImtransError) -> int:
    return 0 if isinstance(sample, ImtransError) else sum(side.nbytes for side in sample)
