"""What a checkpoint is, in words."""

from collections.abc import Iterator
from pathlib import Path

from safetensors import safe_open

from imtrans.api.errors import ImtransError
from imtrans.data.scale import TrainingScale
from imtrans.host.words import counted
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.checksums import verify
from imtrans.runs.header import GENERATOR, SUFFIX, TRAINING, Header, read_header
from imtrans.runs.weights import is_verified


def describe(path: Path) -> str:
    """Files, networks, sizes, training so far, versions and the recipe of a checkpoint.

    Takes a run (its newest checkpoint), a checkpoint directory or one file of it, and needs none of
    the plugins that wrote it. Raises ImtransError when a file is damaged.
    """
    files = _files(path)
    if not path.is_file():
        verify(files[0].parent)
    summed = [is_verified(file) for file in files]
    headers = [read_header(file) for file in files]
    first = headers[0]
    facts = first.facts
    rows = [
        ("checkpoint", str(files[0].parent if len(files) > 1 else files[0])),
        ("trained", _trained(first)),
        (
            "sizes",
            f"multiples of {facts['stride']} px; others are padded" if "stride" in facts else "any",
        ),
        *[(name, str(scale)) for name, scale in _scales(headers)],
        *_evaluations(headers),
        ("written by", f"imtrans {facts.get('imtrans')}, torch {facts.get('torch')}"),
        ("checked", _checked(all(summed))),
        ("plugins", facts.get("plugins", "{}").strip("{}") or "none but imtrans itself"),
        ("translators", ", ".join(first.translators)),
    ]
    rows += [(header.part, _tensors(header)) for header in headers]
    width = max(len(name) for name, _ in rows)
    table = [f"{name:<{width}} {value}" for name, value in rows]
    return "\n".join([*table, "", first.recipe_text.rstrip()])


def _scales(headers: list[Header]) -> Iterator[tuple[str, TrainingScale | str]]:
    """At which scale each translator works; once, where all work alike."""
    translating = {header.part: header.scale for header in headers if header.translates}
    alike = len(set(translating.values())) == 1
    for part, scale in translating.items():
        yield "scale" if alike else f"scale of {part}", scale or "not known: images as they are"
        if alike:
            return


def _evaluations(headers: list[Header]) -> Iterator[tuple[str, str]]:
    """Of each translator that samples in a number of steps."""
    for header in headers:
        if header.translates and header.nfe is not None:
            number = counted(header.nfe, "network evaluation")
            name = "nfe" if header.part == "generator" else f"nfe of {header.part}"
            yield name, f"{number} for an output; --nfe chooses another number"


def _checked(summed: bool) -> str:
    return "checksums ok" if summed else "readable; written before there were checksums"


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.exists():
        raise ImtransError(f"{path}: no such checkpoint")
    newest = checkpoints(path)[-1:]
    folder = newest[0] if newest else path
    files = [file for file in folder.glob(f"*{SUFFIX}") if file.is_file()]
    if not files:
        raise ImtransError(f"{path}: no checkpoint there; expected a run or {GENERATOR}")
    # The default translator first, and last what only training needs.
    return sorted(files, key=lambda f: (f.name == TRAINING, f.name != GENERATOR, f.name))


def _trained(header: Header) -> str:
    """A position says what comes next: batch 0 of epoch 3 comes after 2 epochs."""
    if not header.step:
        return "not here: imported"
    done, batch = header.epoch - 1, header.number("batch") if "batch" in header.facts else 0
    more = f" and {batch} batches" if batch else ""
    return f"{counted(header.step, 'step')}, {counted(done, 'epoch')}{more}"


def _tensors(header: Header) -> str:
    with safe_open(header.path, framework="pt") as file:
        names = list(file.keys())
        numbers = sum(_size(file.get_slice(name).get_shape()) for name in names)
    megabytes = header.path.stat().st_size / 1e6
    return f"{len(names)} tensors, {numbers:,} values, {megabytes:.1f} MB"


def _size(shape: list[int]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
