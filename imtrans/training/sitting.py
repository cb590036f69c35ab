"""The loop that drives the method: batches in, steps, and now and then something written."""

import math
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from imtrans import checkpoint
from imtrans.data.loader import Batches
from imtrans.data.reading import Sample
from imtrans.data.resident import Resident
from imtrans.errors import ImtransError
from imtrans.plugins import Catalog
from imtrans.schema import Recipe
from imtrans.terminal import say
from imtrans.training.display import Display, Progression, display
from imtrans.training.interrupt import Interrupt
from imtrans.training.meter import Meter
from imtrans.training.pix2pix import Losses, Pix2Pix
from imtrans.training.preview import Preview
from imtrans.training.run_dir import RunDir
from imtrans.training.schedule import factor
from imtrans.training.state import Position, save
from imtrans.training.stepping import Stepping
from imtrans.training.validation import Validation


@dataclass(frozen=True)
class Outcome:
    """How a sitting ended."""

    run_dir: Path
    checkpoint: Path
    step: int
    interrupted_by: signal.Signals | None = None


class Sitting:
    """One sitting of a run: what it works with, and where it stands."""

    def __init__(
        self,
        recipe: Recipe,
        catalog: Catalog,
        model: Pix2Pix,
        batches: Batches | Resident,
        preview: Preview,
        validation: Validation,
        run: RunDir,
        position: Position,
        console: Console,
    ) -> None:
        self.recipe, self.catalog = recipe, catalog
        self.model, self.batches = model, batches
        self.preview, self.validation = preview, validation
        self.run_dir, self.console = run, console
        self.position = position
        self.stepping = Stepping(model, recipe.train, partial(say, console))
        epochs_left = recipe.train.epochs - position.epoch + 1
        batches_left = max(epochs_left * batches.per_epoch - position.batch, 0)
        self.steps = position.step + batches_left  # when all epochs are done

    def run(self) -> Outcome:
        """Step through the remaining epochs."""
        train, position = self.recipe.train, self.position
        shown = display(self.console, train.epochs, self.steps, position.step)
        self.meter = Meter()
        try:
            with Interrupt() as interrupt:
                if position.step == 0:
                    self._rehearse(shown)
                batches = self.batches.start(position.epoch, position.batch)
                for epoch in range(position.epoch, train.epochs + 1):
                    for batch in range(position.batch, self.batches.per_epoch):
                        self.model.scale_learning_rates(factor(train, epoch, position.step))
                        losses = self._step(batches)
                        position.epoch, position.batch = epoch, batch + 1
                        position.step += 1
                        shown.advance(epoch, position.step)
                        self._write_what_is_due(losses, shown)
                        if interrupt.received:
                            shown.say(f"{interrupt.received.name}: saving a checkpoint")
                            return self._end(shown, interrupt.received)
                    position.epoch, position.batch = epoch + 1, 0
                return self._end(shown)
        except NotFinite:
            raise
        except (ImtransError, OSError):
            # A broken image must not cost what was learned before it was met.
            self._end(shown)
            raise
        finally:
            shown.close()

    def _step(self, batches: Iterator[Sample]) -> Losses:
        with self.meter.waiting():
            source, target = next(batches)
        device = self.model.device
        source, target = (pixels.to(device, non_blocking=True) for pixels in (source, target))
        return self.stepping(*self.preview.translator.encoding.encode(source, target))

    def _rehearse(self, shown: Display) -> None:
        """Write everything once before the first step: what cannot be is told now, not hours
        later."""
        self._validate(shown)
        self.run_dir.sample(0, self.preview.draw())
        self._save(shown)
        self.meter = Meter()

    def _write_what_is_due(self, losses: Losses, shown: Display) -> None:
        train, step = self.recipe.train, self.position.step
        last = step == self.steps
        self.meter.count(losses, self.recipe.train.batch_size * self.recipe.train.accumulate)
        if step % train.log_every == 0 or last:
            self._log(shown)
        if step % train.sample_every == 0 or last:
            self.run_dir.sample(step, self.preview.draw())
        if step % train.validate_every == 0 or last:
            self._validate(shown)
        if step % train.checkpoint_every == 0 and not last:
            self._save(shown)

    def _log(self, shown: Display) -> None:
        """Fetch the losses from the device, once for all the steps since the last time."""
        if not self.meter.steps:
            return
        reading = self.meter.read()
        epoch, step = self.position.epoch, self.position.step
        for name, value in reading.losses.items():
            if not math.isfinite(value):
                raise NotFinite(
                    f"the loss '{name}' became {value} before step {step}. checkpoints before "
                    "it are kept; start anew (--fresh) with a smaller train.learning_rate"
                )
        self.run_dir.log(
            {"step": step, "epoch": epoch}
            | {name: round(value, 6) for name, value in reading.losses.items()}
            | {"learning_rate": self.model.adam_g.rate}
            | {"images_per_second": round(reading.images_per_second, 2)}
            | {"waiting": round(reading.waiting, 4)}
        )
        shown.logged(Progression(epoch, self.recipe.train.epochs, step, self.steps, reading))

    def _validate(self, shown: Display) -> None:
        if not self.validation:
            return
        found = self.validation.measure()
        step = self.position.step
        rounded = {name: round(value, 6) for name, value in found.items()}
        self.run_dir.log_validation({"step": step, "epoch": self.position.epoch} | rounded)
        shown.say(
            f"step {step}: held out  " + "  ".join(f"{name} {v:.4g}" for name, v in found.items())
        )

    def _end(self, shown: Display, signal_: signal.Signals | None = None) -> Outcome:
        path = self.run_dir.checkpoint_path(self.position.step)
        if self.position.step and not path.exists():
            self._save(shown)
        return Outcome(self.run_dir.path, path, self.position.step, signal_)

    def _save(self, shown: Display) -> None:
        self._log(shown)  # which stops here when a loss is not finite: such weights are not kept
        path = self.run_dir.checkpoint_path(self.position.step)
        save(path, self.model, self.position, self.recipe, self.catalog, self.batches.per_epoch)
        for old in checkpoint.checkpoints(self.run_dir.path)[: -self.recipe.train.keep_last]:
            shutil.rmtree(old)


class NotFinite(ImtransError):
    """A loss became infinite or not a number: the weights of now must not be kept."""
