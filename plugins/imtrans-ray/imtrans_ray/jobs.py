"""What is to be translated: one job for each shard of results."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from imtrans.api.errors import ImtransError, quoted, some
from imtrans.api.pictures import SUFFIXES, find_images
from imtrans_ray.places import Place, place_of
from imtrans_ray.record import RECORD

TAR = ".tar"
MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Job:
    """A shard of results, named relative to the output, and what it is made of: the tar file at an
    address; or, of the folder at that address, images, each with the key of its result."""

    name: str
    address: str
    images: Sequence[tuple[str, str]] = ()  # (relative name, key)


@dataclass(frozen=True)
class Plan:
    """All jobs. `made_of`: what must be the same for a shard of that name to have the same
    results."""

    jobs: Sequence[Job]
    made_of: dict[str, str] = field(default_factory=dict)


def plan(inputs: Sequence[str], output: Place, images_per_shard: int) -> Plan:
    """A job for each tar file that the inputs name, or hold; or for so many images of the one
    folder that they name. Raises ImtransError where there is nothing to do."""
    tars: list[tuple[str, Place]] = []  # the name of the results, and the file
    for text in inputs:
        found = list(_tars(text))
        if not found:
            return _of_images(text, inputs, output, images_per_shard)
        tars += found
    twice = [name for name, count in Counter(name for name, _ in tars).items() if count > 1]
    if twice:
        raise ImtransError(
            f"several shards are called {quoted(twice[:5])}, and so would their results be. "
            "translate them one after the other, each with an --output of its own"
        )
    over = {_whole(place) for _, place in tars} & {_whole(output / name) for name, _ in tars}
    if over:
        raise ImtransError(
            f"{output.address}: results would replace the inputs {some(sorted(over))}. choose "
            "another --output"
        )
    roots = {place.address.removesuffix(name).rstrip("/") for name, place in tars}
    jobs = [Job(name, place.address) for name, place in sorted(tars, key=lambda one: one[0])]
    return Plan(jobs, {"input": ", ".join(sorted(roots))})


def _tars(text: str) -> Iterator[tuple[str, Place]]:
    """The tar files that an input names, each with its name below that input's folder."""
    place = place_of(text)
    if place.is_file():
        if not text.endswith(TAR):
            raise ImtransError(f"{text}: a folder is expected, or tar files, which end in {TAR}")
        yield place.name, place
    elif MAGIC.search(text):
        yield from _matching(text, place)
    else:
        yield from ((name, place / name) for name in _without_results(place.files()))


def _matching(text: str, pattern: Place) -> Iterator[tuple[str, Place]]:
    found = [place for place in pattern.matching() if place.address.endswith(TAR)]
    if not found:
        raise ImtransError(f"{text}: no tar file there")
    root = pattern.address[: MAGIC.search(pattern.address).start()].rpartition("/")[0]
    yield from ((place.address[len(root) + 1 :], place) for place in found)


def _without_results(names: Sequence[str]) -> Iterator[str]:
    """The tar files among the files of a folder, but for those of earlier translations."""
    ours = {name.rpartition("/")[0] for name in names if name.endswith(f"/{RECORD}")}
    for name in names:
        parts = name.split("/")
        folders = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        if name.endswith(TAR) and not any(part.startswith(".") for part in parts):
            if not folders & ours:
                yield name


def _of_images(text: str, inputs: Sequence[str], output: Place, per_shard: int) -> Plan:
    if len(inputs) > 1:
        raise ImtransError(f"{text}: holds no tar files; of folders of images, name one at a time")
    root = place_of(text)
    if root.is_local and not Path(root.address).is_dir():
        raise ImtransError(f"{text}: no such file or folder")
    if _whole(root) == _whole(output):
        raise ImtransError(f"{text}: is the input too; choose another --output")
    names = find_images(root.address) if root.is_local else list(_images(root.files()))
    if not names:
        raise ImtransError(f"{text}: no tar files there, and no images ({', '.join(SUFFIXES)})")
    images = list(keyed(names))
    groups = [images[at : at + per_shard] for at in range(0, len(images), per_shard)]
    width = max(len(str(len(groups))), 5)
    jobs = [
        Job(f"{number:0{width}}-of-{len(groups):0{width}}{TAR}", root.address, group)
        for number, group in enumerate(groups)
    ]
    # Which image is in which shard depends on all of them.
    listing = sha256("\n".join([str(per_shard), *names]).encode("utf-8", "surrogateescape"))
    return Plan(jobs, {"input": root.address, "list of images": listing.hexdigest()})


def _images(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name.lower().endswith(SUFFIXES) and not any(
            part.startswith(".") for part in name.split("/")
        ):
            yield name


def keyed(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each image with a key of its own: its name without the suffix. A key ends at the first dot,
    so that other dots become `_`; of a.jpg beside a.png the keys are a_jpg and a_png."""
    usual = [_key(name) for name in names]
    count = Counter(usual)
    taken = set(usual)
    for name, key in zip(names, usual, strict=True):
        if count[key] > 1:
            stem = key = f"{key}_{posixpath.splitext(name)[1][1:]}"
            number = 2
            while key in taken:
                key, number = f"{stem}_{number}", number + 1
            taken.add(key)
        yield name, key


def _key(name: str) -> str:
    folder, base = posixpath.split(posixpath.splitext(name)[0])
    return posixpath.join(folder, base.replace(".", "_"))


def _whole(place: Place) -> str:
    """The address that another spelling of the place has too."""
    return str(Path(place.address).resolve()) if place.is_local else place.address.rstrip("/")
