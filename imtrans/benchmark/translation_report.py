"""The results of `imtrans bench translate`, as values and as lines of text."""

from collections.abc import Iterator
from dataclasses import dataclass

from imtrans.benchmark.rounds import Spread


@dataclass(frozen=True)
class TranslationReport:
    """Images per second from folder to folder, measured in turns, and where the time goes.

    `faster` is the time of the plain loop / the time of the pipeline; `of_network` the time of the
    network alone / the time of the pipeline. `stages` are ms of an image on one core.
    """

    imtrans: str  # version
    torch: str  # version
    device: str
    hardware: str
    cores: int
    recipe: str
    image_size: int  # px
    images: int
    rounds: int
    precision: str  # of the pipeline and of the network alone
    batch: int
    workers: int
    plain: Spread
    pipeline: Spread
    network: Spread
    faster: Spread
    of_network: Spread
    stages: dict[str, float]
    floor: float  # images/s: no less time than the busiest of cores and device takes


def translation_lines(report: TranslationReport) -> Iterator[str]:
    """The report as lines of text."""
    yield (
        f"{report.hardware}; {report.cores} cores; torch {report.torch}, imtrans {report.imtrans}"
    )
    yield (
        f"{report.recipe}: {report.images} PNGs of {report.image_size} px, folder to folder, in "
        f"turns, {report.rounds} rounds"
    )
    rows = {
        "plain loop": (report.plain, "fp32, one by one, PNG level 6"),
        "imtrans translate": (
            report.pipeline,
            f"{report.precision}, batches of {report.batch}, {report.workers} workers",
        ),
        "network alone": (report.network, f"{report.precision}, images in memory already"),
    }
    for what, (rate, how) in rows.items():
        spread = f"({rate.low:.3g} - {rate.high:.3g})"
        yield f"  {what:<18} {rate.median:>6.3g} images/s  {spread:<16} {how}"
    faster, share = report.faster, report.of_network
    yield f"  {faster.median:.2f} times the plain loop ({faster.low:.2f} - {faster.high:.2f})"
    yield f"  {share.median:.2f} of the network alone ({share.low:.2f} - {share.high:.2f})"
    stages = ", ".join(f"{name} {ms:.3g}" for name, ms in report.stages.items())
    yield f"  ms of an image: {stages}; all but the network on one core"
    yield f"  floor: {report.floor:.3g} images/s, were cores and device always busy"
