"""`imtrans bench translate`: the pipeline against a plain loop and against the network alone."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

import imtrans
from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.benchmark.data_sets import multiply
from imtrans.benchmark.rounds import Spread, in_turns, ratio
from imtrans.benchmark.subject import waiting_for
from imtrans.benchmark.training import hardware
from imtrans.benchmark.translation_report import TranslationReport
from imtrans.data.drawn.pairs import draw_pairs
from imtrans.data.encoding import Given
from imtrans.data.pixels.encode import encode
from imtrans.data.pixels.images import to_image
from imtrans.host.devices import Precision
from imtrans.host.machine import cores
from imtrans.host.threads import usual_count
from imtrans.task import Task
from imtrans.translation.folder import translate_files
from imtrans.translation.jobs import Job, plan
from imtrans.translation.loading import ready
from imtrans.translation.network.modes import set_modes
from imtrans.translation.together import Together
from imtrans.translation.translator import Translator

DRAWN = 20  # different pictures; the others are links to them
STAGE = 50  # pictures that a stage is timed on


class TranslationBench:
    """Measures the translation of drawn pictures by a recipe's generator, whose weights do not
    matter for that."""

    def __init__(
        self,
        task: Task,
        device: torch.device,
        precision: Precision,
        *,
        images: int = 100,
        rounds: int = 5,
        compiled: bool = False,
    ) -> None:
        self.task, self.device, self.precision = task, device, precision
        self.images, self.rounds = images, rounds
        self.translator = self._fast()
        if compiled:
            self.translator.compile()
        self.plain = self._plain()

    def _fast(self) -> Translator:
        """As `imtrans.load` makes it."""
        encoding = self.task.encoding
        network = self.task.translator("generator")
        module, _ = ready(network, encoding.source_channels, precision=self.precision)
        return Translator(module, encoding, device=self.device, precision=self.precision)

    def _plain(self) -> Translator:
        """As the published test does: fp32, each image by itself."""
        module = self.task.translator("generator")
        set_modes(module, "image")
        return Translator(module, self.task.encoding, device=self.device)

    def run(self, name: str) -> TranslationReport:
        """Raises ImtransError where the recipe's sources cannot be drawn."""
        with self._pictures() as folder:
            jobs = plan(folder / "inputs", folder / "outputs", self.translator.encoding)
            givens = [self._given(job) for job in jobs[:STAGE]]
            together = Together(self.translator)
            shape = givens[0].source.shape
            calls: dict[str, Callable[[], object]] = {
                "plain": partial(self._loop, jobs),
                "pipeline": partial(self._files, jobs),
                "network": partial(self._network, together, givens),
            }
            seconds = in_turns(calls, self.rounds, waiting_for(self.device))
            stages = self._stages(jobs, givens)
        each = {name: [one / self.images for one in row] for name, row in seconds.items()}
        stages["network"] = Spread.of(each["network"]).median * 1e3
        return TranslationReport(
            imtrans=imtrans.__version__,
            torch=torch.__version__,
            device=str(self.device),
            hardware=hardware(self.device),
            cores=cores(),
            recipe=name,
            image_size=max(self.task.recipe.data.crop),
            images=self.images,
            rounds=self.rounds,
            precision=self.precision + (", compiled" if self.translator.compiled else ""),
            batch=together.most(shape, shape),
            workers=usual_count(),
            plain=_rate(each["plain"]),
            pipeline=_rate(each["pipeline"]),
            network=_rate(each["network"]),
            faster=ratio(each["plain"], each["pipeline"]),
            of_network=ratio(each["network"], each["pipeline"]),
            stages=stages,
            floor=1e3 / self._floor(stages),
        )

    @contextmanager
    def _pictures(self) -> Iterator[Path]:
        """A folder of square 8-bit PNGs as large as the recipe's crop."""
        if self.task.recipe.data.source.dtype != "uint8":
            raise ImtransError("only 8-bit pictures can be drawn; bench a recipe of such sources")
        with TemporaryDirectory(prefix="imtrans-bench-") as name:
            inputs = Path(name, "inputs")
            inputs.mkdir()
            size = max(self.task.recipe.data.crop)
            drawn = draw_pairs(min(DRAWN, self.images), seed=5, size=size)
            for number, (_, photo) in enumerate(drawn):
                photo.save(inputs / f"{number:07d}.png")
            multiply(inputs, self.images)
            yield Path(name)

    def _given(self, job: Job) -> Given:
        return self.translator.given(Picture(str(job.path)))

    def _loop(self, jobs: Sequence[Job]) -> None:
        """One image after the other: read, translated, written as PNG of the usual level."""
        for job in jobs:
            result = self.plain.result(self.plain.given(Picture(str(job.path))))
            job.results[0].parent.mkdir(exist_ok=True)
            to_image(result).save(job.results[0], compress_level=6)

    def _files(self, jobs: Sequence[Job]) -> None:
        folder = jobs[0].results[0].parent
        shutil.rmtree(folder, ignore_errors=True)
        outcome = translate_files(self.translator, jobs, folder, lambda: None)
        if outcome.done != len(jobs):
            raise ImtransError(f"{len(outcome.broken)} of {len(jobs)} failed: {outcome.broken[0]}")

    def _network(self, together: Together, givens: Sequence[Given]) -> None:
        """As many images as the others, which are in memory already."""
        most = together.most(givens[0].source.shape, givens[0].source.shape)
        for at in range(0, self.images, most):
            count = min(most, self.images - at)
            together.outputs([givens[(at + n) % len(givens)].source for n in range(count)])

    def _stages(self, jobs: Sequence[Job], givens: Sequence[Given]) -> dict[str, float]:
        """ms of an image, on one core, of what is done beside the network."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            jobs, results = jobs[: len(givens)], list[Tensor]()
            outputs = [(self.translator.output(given.source), given) for given in givens]
            finish = self.translator.finished
            return {
                "read": _ms(self._given, jobs),
                "finish": _ms(lambda one: results.append(finish(*one)), outputs),
                "write": _ms(lambda one: self._write(*one), list(zip(results, jobs, strict=True))),
            }
        finally:
            torch.set_num_threads(before)

    def _write(self, result: Tensor, job: Job) -> None:
        encode(result, job.results[0], self.task.encoding.result_dtype)

    def _floor(self, stages: dict[str, float]) -> float:
        """ms of an image, were all cores and the device busy all the time."""
        beside = (stages["read"] + stages["finish"] + stages["write"]) / cores()
        if self.device.type == "cpu":
            return stages["network"] + beside
        return max(stages["network"], beside)


def _rate(seconds: Sequence[float]) -> Spread:
    return Spread.of([1 / one for one in seconds])


def _ms(call: Callable[[Any], object], arguments: Sequence[Any]) -> float:
    begun = perf_counter()
    for argument in arguments:
        call(argument)
    return (perf_counter() - begun) / len(arguments) * 1e3
