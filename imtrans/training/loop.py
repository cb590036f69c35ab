"""The loop that drives the method: batches in, steps, and now and then something written."""

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console

from imtrans.api.errors import ImtransError, some
from imtrans.api.pictures import Pair
from imtrans.components.methods.pix2pix import Losses, Pix2Pix
from imtrans.data.draws import batch_keys
from imtrans.data.loader import Batches
from imtrans.data.reading import Sample
from imtrans.data.resident import Resident
from imtrans.host.terminal import say
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs import checkpoint
from imtrans.runs.best import Best
from imtrans.runs.run_dir import RunDir
from imtrans.runs.state import Position, save, save_generator
from imtrans.training.display.lines import Progression, display
from imtrans.training.interrupt import Interrupt
from imtrans.training.meter import Meter, NotFinite
from imtrans.training.preview import Preview
from imtrans.training.schedule import factor
from imtrans.training.step.stepper import Stepping
from imtrans.training.validation import Validation
from imtrans.training.warnings import Watch


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
        pairs: Sequence[Pair],
        batches: Batches | Resident,
        preview: Preview,
        validation: Validation,
        run: RunDir,
        position: Position,
        console: Console,
    ) -> None:
        self.recipe, self.catalog, self.model = recipe, catalog, model
        self.pairs, self.batches = pairs, batches
        self.preview, self.validation = preview, validation
        self.run_dir, self.position = run, position
        self.stepping = Stepping(model, recipe.train, partial(say, console))
        epochs_left = recipe.train.epochs - position.epoch + 1
        batches_left = max(epochs_left * batches.per_epoch - position.batch, 0)
        self.steps = position.step + batches_left  # when all epochs are done
        self.shown = display(console, recipe.train.epochs, self.steps, position.step)
        self.meter, self.watch = Meter(), Watch()

    def run(self) -> Outcome:
        """Step through the remaining epochs."""
        try:
            with Interrupt() as interrupt:
                return self._epochs(interrupt)
        except Ruined:
            raise
        except (ImtransError, OSError):
            # A broken image must not cost what was learned before it was met.
            self._end()
            raise
        finally:
            self.shown.close()

    def _epochs(self, interrupt: Interrupt) -> Outcome:
        train, position = self.recipe.train, self.position
        if position.step == 0:
            self._rehearse()
        else:
            self._catch_up()
            if self._has_lost_patience():
                return self._end()
        batches = self.batches.start(position.epoch, position.batch)
        for epoch in range(position.epoch, train.epochs + 1):
            for batch in range(position.batch, self.batches.per_epoch):
                self.model.scale_learning_rates(factor(train, epoch, position.step))
                losses = self._step(batches)
                position.epoch, position.batch = epoch, batch + 1
                position.step += 1
                self.shown.advance(epoch, position.step)
                self._write_what_is_due(losses)
                if interrupt.received:
                    self.shown.say(f"{interrupt.received.name}: saving a checkpoint")
                    return self._end(interrupt.received)
                if self._has_lost_patience():
                    return self._end()
            position.epoch, position.batch = epoch + 1, 0
        return self._end()

    def _step(self, batches: Iterator[Sample]) -> Losses:
        with self.meter.waiting():
            source, target = next(batches)
        device = self.model.device
        source, target = (pixels.to(device, non_blocking=True) for pixels in (source, target))
        return self.stepping(*self.preview.translator.encoding.encode(source, target))

    def _rehearse(self) -> None:
        """Write everything once before the first step: what cannot be is told now, not hours
        later."""
        self._validate()
        self._sample()
        self._save()
        self.meter = Meter()

    def _catch_up(self) -> None:
        """Write what was due at the checkpoint's step, but could not be: the disk was full."""
        train, step = self.recipe.train, self.position.step
        last = step == self.steps
        if (self._is_due(train.sample_every) or last) and not self.run_dir.has_sample(step):
            self._sample()
        measured = self.run_dir.validation.has(step)
        if (self._is_due(train.validate_every) or last) and not measured:
            self._validate()
            self._save()  # the checkpoint knows no more than before it of what is best
        self._remove_old()  # that a kill has left

    def _write_what_is_due(self, losses: Losses) -> None:
        train, last = self.recipe.train, self.position.step == self.steps
        self.meter.count(losses, train.batch_size * train.accumulate)
        if self._is_due(train.log_every) or last:
            self._log()
        if self._is_due(train.sample_every) or last:
            self._sample()
        if self._is_due(train.validate_every) or last:
            self._validate()
        if self._is_due(train.checkpoint_every) and not last:
            self._save()

    def _is_due(self, every: int | str) -> bool:
        """Whether it is time for what is done every N steps, or every "N epochs"."""
        if isinstance(every, str):
            every = int(every.split()[0]) * self.batches.per_epoch
        return self.position.step % every == 0

    def _log(self) -> None:
        """Fetch the losses from the device, once for all the steps since the last time."""
        if not self.meter.steps:
            return
        epoch, step = self.position.epoch, self.position.step
        try:
            reading = self.meter.read()
        except NotFinite as error:
            raise self._ruined(error) from error
        self.run_dir.log(
            {"step": step, "epoch": epoch}
            | {name: round(value, 6) for name, value in reading.losses.items()}
            | {"learning_rate": self.model.adam_g.rate}
            | {"images_per_second": round(reading.images_per_second, 2)}
            | {"waiting": round(reading.waiting, 4)}
        )
        self.shown.logged(Progression(epoch, self.recipe.train.epochs, step, self.steps, reading))
        for warning in self.watch.warnings(reading.losses):
            self.shown.say(warning)

    def _ruined(self, error: NotFinite) -> "Ruined":
        """The error that names the step, and the pairs that it was taken on."""
        batch, epoch = self.position.batch - 1 - error.ago, self.position.epoch
        if batch < 0:
            batch, epoch = batch + self.batches.per_epoch, epoch - 1
        size = self.recipe.train.batch_size * self.recipe.train.accumulate
        keys = next(batch_keys(self.recipe.seed, len(self.pairs), size, epoch, batch))
        names = some(self.pairs[index].name for _, index in keys)
        return Ruined(
            f"{error} in step {self.position.step - error.ago}, on the pairs {names}. checkpoints "
            "before it are kept. look at these pairs, or start anew (--fresh) with a smaller "
            "train.learning_rate, or train.clip_norm = 1.0"
        )

    def _sample(self) -> None:
        with self.meter.pausing():
            self.run_dir.sample(self.position.step, self.preview.draw())

    def _validate(self) -> None:
        if not self.validation:
            return
        with self.meter.pausing():
            found = self.validation.measure()
            best = self._keep_the_best(found)
        step = self.position.step
        rounded = {name: round(value, 6) for name, value in found.items()}
        self.run_dir.log_validation({"step": step, "epoch": self.position.epoch} | rounded)
        self.position.best = best  # now that both are written; else both are due again
        self.shown.validated(step, found, best)

    def _keep_the_best(self, found: dict[str, float]) -> Best:
        metric, step = self.recipe.train.keep_best, self.position.step
        best = replace(self.position.best)
        if metric and metric in found and step and best.note(metric, found[metric], step):
            position = replace(self.position, best=best)
            save_generator(self.run_dir.best, self.model, position, self.recipe, self.catalog)
        return best

    def _has_lost_patience(self) -> bool:
        patience, best = self.recipe.train.patience, self.position.best
        if patience is None or best.since < patience:
            return False
        self.shown.say(
            f"stopping: {best.since} validations since step {best.step} were no better; the best "
            f"generator is {self.run_dir.best}"
        )
        return True

    def _end(self, signal_: signal.Signals | None = None) -> Outcome:
        path = self.run_dir.checkpoint_path(self.position.step)
        if self.position.step and not path.exists():
            self._save()
        return Outcome(self.run_dir.path, path, self.position.step, signal_)

    def _save(self) -> None:
        self._log()  # which stops here when a loss is not finite: such weights are not kept
        path = self.run_dir.checkpoint_path(self.position.step)
        with self.meter.pausing():
            save(path, self.model, self.position, self.recipe, self.catalog, self.batches.per_epoch)
            self._remove_old()

    def _remove_old(self) -> None:
        for old in checkpoint.checkpoints(self.run_dir.path)[: -self.recipe.train.keep_last]:
            checkpoint.remove(old)


class Ruined(ImtransError):
    """A loss became infinite or not a number: the weights of now must not be kept."""
