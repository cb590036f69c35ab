"""Part `micro`: what one kernel, one launch and one layer cost, on which the larger plans rest."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from report import table
from work import Work

from imtrans.host.devices import computing
from micro.convolutions import by_layer, deep_layers, layers, padded_layers
from micro.cutting import cutting
from micro.launches import host, launches, nodes
from micro.passes import halves, overlap
from micro.updates import adam, norms

MEASURED = {
    "m1 nodes of a graph": nodes,
    "m3 convolutions with padded channels": padded_layers,
    "m4 deep layers as matrix products": deep_layers,
    "m5 Adam of the generator": adam,
    "m6 batch norm": norms,
    "m7 discriminator in halves": halves,
    "m8 overlap": overlap,
    "m9 cutting a batch on the device": cutting,
    "m10 launches": launches,
    "m11 host": host,
    "m2 convolutions": layers,  # the longest: what came after it might never be measured
}
DECIDES = {
    "m1 nodes of a graph": "2 us a node or more: fusion first; 1.2 or less: bytes first.",
    "m5 Adam of the generator": "Below 3.6 TB/s for the fused kernel: the compiled one.",
    "m8 overlap": "Overlap is the time gained, of the most that could be gained.",
}


def measure(work: Work) -> None:
    with computing(deterministic=False):
        work.take({name: partial(call, work) for name, call in MEASURED.items()})


def lines(results: dict[str, Any]) -> Iterator[str]:
    for name, rows in results.items():
        yield f"### {name}"
        yield ""
        if name == "m2 convolutions":
            yield from by_layer(rows)
            continue
        heading = list(dict.fromkeys(key for row in rows for key in row))
        yield from table(heading, [[row.get(key) for key in heading] for row in rows])
        yield from ["", DECIDES.get(name, ""), ""]
