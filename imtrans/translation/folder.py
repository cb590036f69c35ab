"""Every image of a folder through a translator, into files; nothing lost, nothing half-written."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torch import Tensor

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.api.pictures import Picture
from imtrans.data.encoding import Given
from imtrans.data.pixels.rows import encode_like
from imtrans.host.files import concerns_one
from imtrans.host.share import Share
from imtrans.host.threads import Limit, Threads, usual_count
from imtrans.translation.jobs import Job
from imtrans.translation.network.memory import tile_option
from imtrans.translation.pipeline import Passed, Seeds, through
from imtrans.translation.translator import Remark, Translator
from imtrans.translation.writers import entered


@dataclass(frozen=True)
class Way:
    """How images are translated: results do not depend on the `batch_size` (None: one that suits
    the device) nor on how many `workers` read and write beside the network, but on the `seeds`.
    `quality` is that of JPEG and WebP; `overwrite` replaces results that are there. The network is
    compiled where no fewer images than `compile_from` are left to be done. Of all images a `share`
    is translated."""

    seeds: Seeds = (None,)
    quality: int | None = None
    overwrite: bool = False
    compile_from: int | None = None
    batch_size: int | None = None
    workers: int | None = None
    share: Share = Share()


@dataclass
class TranslatedFolder:
    """What became of a folder."""

    done: int = 0
    kept: int = 0  # images whose results were there already
    broken: list[str] = field(default_factory=list)  # one line each, naming the file
    remarks: dict[str, list[str]] = field(default_factory=dict)  # by kind: what is unlike training

    def note(self, path: Path, remarks: Iterable[Remark]) -> None:
        """Keep what was remarked of a file."""
        for remark in remarks:
            self.remarks.setdefault(remark.kind, []).append(f"{path}: {remark.text}")

    def add(self, other: "TranslatedFolder") -> None:
        """What became of other images of the same folder."""
        self.done += other.done
        self.kept += other.kept
        self.broken = sorted([*self.broken, *other.broken])
        for kind, lines in other.remarks.items():
            self.remarks[kind] = sorted([*self.remarks.get(kind, []), *lines])


def translate_files(
    translator: Translator,
    jobs: Sequence[Job],
    output: Path | None,
    on_done: Callable[[], None],
    way: Way = Way(),  # noqa: B008  # which is frozen
) -> TranslatedFolder:
    """Translate each input into its place, below the folder `output` if there is one: there,
    results that an earlier call has finished are kept. What cannot be read, or is too large for the
    memory, is skipped. `jobs` are those of all shares, whichever `way.share` is.

    Reading and writing run in threads beside the network. Raises ImtransError when a result
    cannot be written: the rest would fail too; and when another process writes there.
    """
    outcome, made = TranslatedFolder(), made_from(translator, way)
    with entered(output, jobs, way.share, made, way.overwrite) as left:
        outcome.kept = len(way.share.picked(jobs)) - len(left)
        for _ in range(outcome.kept):
            on_done()
        if way.compile_from is not None and len(left) >= way.compile_from:
            translator.compile()
        with Threads(way.workers or usual_count()) as threads:
            read = partial(_read, translator)
            passed = through(
                translator, left, read, threads, seeds=way.seeds, batch_size=way.batch_size
            )
            for one, failed in _written(passed, translator, threads, way):
                _note(outcome, one, failed, translator)
                on_done()
    outcome.broken.sort()
    for remarks in outcome.remarks.values():
        remarks.sort()
    return outcome


def made_from(translator: Translator, way: Way, tiles: str = "none") -> dict[str, str]:
    """What results depend on, in words."""
    made = {**translator.made_from, "quality": str(way.quality), "tiles": tiles}
    if len(way.seeds) > 1 and made.get("dropout seed", "None") != "None":
        made["dropout seed"] = "that of each folder"
    return made


def _read(translator: Translator, job: Job) -> Given:
    try:
        return translator.given(Picture(str(job.path)))
    except ValueError as error:  # a derivation was not given what it needs
        raise ImtransError(f"{job.path}: {error}") from error


def _written(
    passed: Iterable[Passed[Job]], translator: Translator, threads: Threads, way: Way
) -> Iterator[tuple[Passed[Job], ImtransError | None]]:
    """Each image once its results are on the disk, and why there are none. Few wait meanwhile."""
    writing: deque[tuple[Passed[Job], Future[ImtransError | None]]] = deque()
    limit = Limit(4 * threads.count)
    for one in passed:
        writing.append((one, threads.submit(_write, one, translator, way.quality)))
        if not isinstance(one.outputs, ImtransError):
            limit.heard(sum(output.nbytes for output in one.outputs))
        while len(writing) > limit.now:
            before, future = writing.popleft()
            yield before, future.result()
    for before, future in writing:
        yield before, future.result()


def _write(one: Passed[Job], translator: Translator, quality: int | None) -> ImtransError | None:
    """Finish and write the results of an image; returns why it has none, raises ImtransError where
    others could not be written either."""
    if isinstance(one.given, ImtransError):
        return one.given
    for at, place in enumerate(one.item.results):
        result = _finished(one, at, translator)
        if isinstance(result, ImtransError):
            return result
        try:
            encode_like(one.item.path, result, place, translator.encoding.result_dtype, quality)
        except ImtransError as error:
            cause = error.__cause__
            if cause and is_out_of_memory(cause):
                return _too_large(one, translator)
            if concerns_one(cause):
                return error
            raise
    return None


def _finished(one: Passed[Job], at: int, translator: Translator) -> Tensor | ImtransError:
    assert isinstance(one.given, Given)
    if not isinstance(one.outputs, ImtransError):
        try:
            return translator.finished(one.outputs[at], one.given)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
    return _too_large(one, translator)


def _too_large(one: Passed[Job], translator: Translator) -> ImtransError:
    assert isinstance(one.given, Given)
    height, width = one.given.size
    return ImtransError(
        f"{one.item.path}: not enough memory for {width} x {height} px. use {_tile(translator)}, "
        "or scale it down"
    )


def _tile(translator: Translator) -> str:
    channels = translator.encoding.source_channels
    return tile_option(translator.module, channels, translator.device)


def _note(
    outcome: TranslatedFolder,
    one: Passed[Job],
    failed: ImtransError | None,
    translator: Translator,
) -> None:
    if failed:
        outcome.broken.append(str(failed))
        return
    outcome.done += 1
    assert isinstance(one.given, Given)
    outcome.note(one.item.path, translator.remarks(one.given))
