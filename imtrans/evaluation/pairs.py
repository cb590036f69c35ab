"""A trained translator, measured on pairs: read ahead in threads, translated as `imtrans translate`
does, and compared with the targets."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Metric
from imtrans.api.pictures import Pair
from imtrans.data.reading import Sample
from imtrans.evaluation.collector import Collector
from imtrans.evaluation.seen import translated
from imtrans.evaluation.table import EvaluationTable
from imtrans.host.threads import Threads, usual_count
from imtrans.task import Task
from imtrans.translation.grouping import grouped
from imtrans.translation.pipeline import Seeds
from imtrans.translation.together import Together
from imtrans.translation.translator import Translator

Numbered = tuple[int, Sample]


def measured_pairs(
    task: Task,
    translator: Translator,
    pairs: Sequence[Pair],
    metrics: Mapping[str, Metric],
    on_pair: Callable[[], None] = lambda: None,
    *,
    seeds: Seeds = (None,),
) -> EvaluationTable:
    """What the metrics find in the outputs for these pairs, exactly as validation measures them: at
    the scale of training, with results of the size of their files. Of several seeds the first is
    measured, and all are seen by the metrics that ask for them. A pair that cannot be read is
    skipped. Raises NothingMeasured when none can be read."""
    together, collector = Together(translator), Collector(metrics, translator.device)
    skipped: dict[int, str] = {}

    def read(index: int) -> Sample | ImtransError:
        try:
            return task.sampler.measured(pairs[index], task.scale)
        except ImtransError as error:
            return error

    with Threads(usual_count()) as threads:
        numbered = _read(threads, read, len(pairs), skipped, on_pair)
        for group in _by_size(numbered, together, len(seeds)):
            samples = [sample for _, sample in group]
            seen = translated(task.encoding, together, samples, seeds=seeds)
            collector.add([index for index, _ in group], seen)
    return tabled([pair.name for pair in pairs], collector, skipped)


class NothingMeasured(ImtransError):
    """None of some images could be measured; `skipped` says why, by name."""

    def __init__(self, skipped: Mapping[str, str]) -> None:
        first = next(iter(skipped.values()), "there are none")
        super().__init__(f"none of {len(skipped)} pairs could be measured: {first}")
        self.skipped = skipped


def tabled(
    names: Sequence[str], collector: Collector, skipped: Mapping[int, str]
) -> EvaluationTable:
    """The table of images by name. Raises NothingMeasured when all of them were skipped."""
    kept = [index for index in range(len(names)) if index not in skipped]
    reasons = {names[index]: why for index, why in sorted(skipped.items())}
    if not kept:
        raise NothingMeasured(reasons)
    columns = {name: column.of(kept) for name, column in collector.columns(len(names)).items()}
    return EvaluationTable([names[index] for index in kept], columns, reasons)


def _read(
    threads: Threads,
    read: Callable[[int], Sample | ImtransError],
    count: int,
    skipped: dict[int, str],
    on_pair: Callable[[], None],
) -> Iterator[Numbered]:
    for index, sample in threads.ahead(read, range(count), _bytes):
        on_pair()
        if isinstance(sample, ImtransError):
            skipped[index] = str(sample)
        else:
            yield index, sample


def _bytes(sample: Sample | ImtransError) -> int:
    return 0 if isinstance(sample, ImtransError) else sum(side.nbytes for side in sample)


def _by_size(
    samples: Iterable[Numbered], together: Together, outputs: int
) -> Iterator[list[Numbered]]:
    """`outputs` of each image are kept until it is measured."""
    return grouped(
        samples,
        lambda one: tuple(side.shape for side in one[1]),
        lambda sizes: max(together.most(*sizes) // outputs, 1),
        lambda one: sum(side.shape[-2] * side.shape[-1] for side in one[1]),
    )
