"""From a trained translator to a file that runs without imtrans, proven to compute the same."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.export import ExportedProgram

import imtrans
from imtrans.api.errors import ImtransError, quoted
from imtrans.api.samplers import NFE, nfe_of, noise_channels
from imtrans.host.files import write_whole
from imtrans.host.words import size
from imtrans.recipe.catalog import catalog
from imtrans.runs.header import Header
from imtrans.translation.export import onnx
from imtrans.translation.export.graph import Graph, SamplerGraph, exportable
from imtrans.translation.export.onnx import Onnx
from imtrans.translation.export.parity import TOLERANCE, Parity, ParityError, measured
from imtrans.translation.export.program import program_of
from imtrans.translation.export.pt2 import Pt2
from imtrans.translation.export.reference import reference
from imtrans.translation.export.values import (
    Values,
    channels_given,
    channels_taken,
    described,
    forms,
)
from imtrans.translation.export.web import site
from imtrans.translation.export.web.runtime import Say
from imtrans.translation.export.web.site import MODEL, Site
from imtrans.translation.loading import header_to_load, load
from imtrans.translation.network.modes import Statistics
from imtrans.translation.padding import padded_size
from imtrans.translation.translator import Translator

Format = Literal["pt2", "onnx", "web"]
Precision = Literal["fp32", "bf16", "fp16"]
FORMATS: dict[str, type[Pt2 | Onnx]] = {"pt2": Pt2, "onnx": Onnx}
WEB = "web"  # not one file: a folder with an .onnx file
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Exported:
    """A file, or folder, that was written, and how far its outputs are from imtrans's own."""

    path: Path
    parity: Parity
    facts: dict[str, str]  # the metadata inside

    def __str__(self) -> str:
        if self.path.is_dir():
            return f"{self.path}: {site.described(self.path)}"
        stride, precision = self.facts["stride"], self.facts["precision"]
        return (
            f"{self.path}: {size(self.path.stat().st_size)}, {precision}, for any batch, and sizes "
            f"that are multiples of {stride} px"
            + ("; its second input is noise" if "noise" in self.facts else "")
        )


def export(
    run: str | Path,
    output: str | Path,
    *,
    format: Format | None = None,
    best: bool = False,
    translator: str = "generator",
    precision: Precision = "fp32",
    statistics: Statistics = "image",
    values: Values = "pixels",
    nfe: int | None = None,
    runtime: str | Path | None = None,
    say: Say = lambda line: None,
) -> Exported:
    """Write the translator of a run as one file that runs without imtrans: `pt2` for
    torch.export.load, or `onnx`; by default what the suffix of `output` says. Or as a folder,
    `web`: a page on which one draws, with the ONNX model and onnxruntime-web, to be served by any
    static server. onnxruntime-web is fetched from npm once, or taken from the folder `runtime`;
    `say` hears of it.

    `run`, `best`, `translator`, `statistics` and `nfe` are those of `imtrans.load`. With `pixels`
    the file takes and gives the values that image files store, as float32 (N, C, H, W): colours of
    0 to 255, or whatever the range of the recipe; with `network`, or where the recipe derives its
    sources from photographs, what the network itself sees, in [-1, 1]. Its metadata says which. Of
    a network that samples, the file has a second input, `noise` (N, noise_channels, H, W): standard
    normal values for each image, at the size of the source given to the file. It is a function of
    both.

    What the file computes is compared with imtrans on images of three random sizes. Raises
    ParityError, and writes nothing, where they differ by more than 1e-4 in fp32; in bf16 and fp16
    the difference is stated. Raises ImtransError for whatever its caller can mend.

    >>> import imtrans
    >>> exported = imtrans.export("my-task", "my-task.pt2")
    >>> exported.parity.largest < 1e-4
    True
    """
    path = Path(output)
    page = _page(path, values, runtime, say) if format == WEB else None
    kind = _kind(Path(MODEL), None, precision) if page else _kind(path, format, precision)
    if page is None:
        _check_place(path)
    header = header_to_load(Path(run), best, translator)
    loaded = load(header.path, device="cpu", precision="fp32", statistics=statistics, nfe=nfe)
    if page:
        page.prepare(loaded)
    weights = _sum(header.path)
    traced = trace(loaded, precision, statistics, values)
    file = kind(traced.program)
    parity = prove(loaded, traced, file, seed=int(weights[:8], 16))
    facts = _facts(header, loaded, traced.graph) | {
        "statistics": statistics,
        "precision": precision,
        "weights_sha256": weights,
        "parity": parity.dumps(),
    }
    if page:
        page.write(file.dumps(facts), header, loaded, traced.graph, facts)
    else:
        write_whole(path, file.dumps(facts))
    return Exported(path, parity, facts)


class Traced(NamedTuple):
    """A translator as a graph, and that as torch exports it."""

    graph: Graph
    program: ExportedProgram
    channels: tuple[int, ...]  # of the source, and of the noise of a network that samples
    stride: int


def trace(
    translator: Translator,
    precision: Precision = "fp32",
    statistics: Statistics = "image",
    values: Values = "pixels",
) -> Traced:
    """Raises ImtransError for a network that cannot be exported for any batch and size."""
    source, target = forms(translator.encoding, values)
    dtype = DTYPES[precision]
    network = exportable(translator.module, statistics, dtype)
    noise = noise_channels(translator.module)
    kind = Graph if noise is None else SamplerGraph
    graph = kind(network, source, target, dtype).eval()
    stride = int(translator.module.stride)  # type: ignore[arg-type]
    taken = channels_taken(source, translator.encoding)
    channels = (taken,) if noise is None else (taken, noise)
    return Traced(graph, program_of(graph, channels, stride), channels, stride)


def prove(translator: Translator, traced: Traced, file: Pt2 | Onnx, *, seed: int = 0) -> Parity:
    """How far a file is from the translator (on a CPU, in fp32) on images that `seed` draws.
    Raises ParityError where it is too far."""
    source, target = traced.graph.source, traced.graph.target
    parity = measured(
        lambda *given: reference(translator, source, target, *given),
        lambda *given: target.unit(file(*given)),
        source,
        traced.channels,
        traced.stride,
        seed,
    )
    if traced.graph.dtype is torch.float32 and parity.largest > TOLERANCE:
        raise ParityError(
            f"the exported network differs from imtrans's own by {parity.largest:.2g} in [-1, 1], "
            f"more than {TOLERANCE:g}; nothing is written. please report it with the recipe"
        )
    return parity


def _page(path: Path, values: Values, runtime: str | Path | None, say: Say) -> Site:
    if values != "pixels":
        raise ImtransError("a page takes pictures, and no values of the network: no --values here")
    return Site(path, None if runtime is None else Path(runtime), say)


def _kind(path: Path, format: str | None, precision: str) -> type[Pt2 | Onnx]:
    """The class that writes this file. Raises ImtransError for what cannot be had."""
    found = format or path.suffix.removeprefix(".").lower()
    if found not in FORMATS:
        raise ImtransError(f"no format '{found}'; use {quoted([*FORMATS, WEB])}")
    if precision not in DTYPES:
        raise ImtransError(f"precision '{precision}' is not one of {quoted(DTYPES)}")
    for other in FORMATS.keys() - {found}:
        if path.suffix.lower() == f".{other}":
            raise ImtransError(f"{path}: a file of the format '{found}' ends in '.{found}'")
    if found == "onnx":
        onnx.require()
        if precision == "bf16":
            raise ImtransError(
                "onnxruntime computes no convolution in bf16 on a CPU, so that the file could not "
                "be proven; use fp16, or the format 'pt2'"
            )
    return FORMATS[found]


def _check_place(path: Path) -> None:
    """Raises ImtransError where the file cannot be written, before anything is computed."""
    if path.is_dir():
        raise ImtransError(f"{path}: a folder; name a file")
    if not path.parent.is_dir():
        raise ImtransError(f"{path.parent}: no such folder")
    if not os.access(path.parent, os.W_OK):
        raise ImtransError(f"{path.parent}: no permission to write there")


def _facts(header: Header, loaded: Translator, graph: Graph) -> dict[str, str]:
    """What the file says about itself; everything but words is JSON."""
    encoding = loaded.encoding
    taken, given = channels_taken(graph.source, encoding), channels_given(graph.target, encoding)
    source = {"name": "source"} | described(graph.source, taken)
    target = {"name": "output"} | described(graph.target, given)
    stride = int(loaded.module.stride)  # type: ignore[arg-type]
    derived = header.recipe(catalog(), translator_only=True).data.derive
    if derived:
        source, target = (side | {"derivation": derived.name} for side in (source, target))
    facts = {
        "imtrans": imtrans.__version__,
        "torch": torch.__version__,
        "recipe": header.recipe_text,
        "translator": header.part,
        "step": str(header.step),
        "stride": str(stride),
        "smallest": str(padded_size(1, stride)),  # px; of less, norms and borders make nothing good
        "input": json.dumps(source),
        "output": json.dumps(target),
    }
    if loaded.scale:
        facts |= {"scale": loaded.scale.dumps(), "scale_in_words": str(loaded.scale)}
    return facts | _facts_of_sampling(loaded.module)


def _facts_of_sampling(network: nn.Module) -> dict[str, str]:
    """What it takes beside the source: its own input, and what is part of the graph."""
    number, channels = nfe_of(network), noise_channels(network)
    facts = {} if number is None else {NFE: str(number)}
    if channels is not None:
        noise = {"name": "noise", "layout": "NCHW", "dtype": "float32", "channels": channels}
        facts["noise"] = json.dumps(noise | {"distribution": "standard normal"})
    return facts


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
