"""The loop that drives a method: batches in, steps, and now and then something written."""

import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from imtrans.api.errors import ImtransError, some
from imtrans.api.listener import Listener, Measured, Moment
from imtrans.host.background import Background, Work, nothing
from imtrans.host.group import Group
from imtrans.host.watch import Lost
from imtrans.runs import checkpoint
from imtrans.runs.best import Best
from imtrans.runs.rank_state import on_the_cpu, rank_state
from imtrans.runs.run_dir import RunDir
from imtrans.runs.state import Position, snapshot, snapshot_translators
from imtrans.task import Task
from imtrans.training.alike import check_alike
from imtrans.training.failures import Failures
from imtrans.training.feeding import Feeding
from imtrans.training.interrupt import Interrupt, signal_name
from imtrans.training.meter import Meter, NotFinite
from imtrans.training.preview import Preview
from imtrans.training.schedule import factor
from imtrans.training.step.step import Losses
from imtrans.training.step.stepper import Stepper
from imtrans.training.validation import Validation

USUAL = 1000  # steps between validations; less where an epoch is shorter
AGREED = 8  # launches between two agreements of ranks that need not wait for the host


@dataclass(frozen=True)
class Outcome:
    """How a session ended."""

    run_dir: Path
    checkpoint: Path
    step: int
    interrupted_by: signal.Signals | None = None
    best: Best | None = None  # on validation pairs; None where none is kept


class Ruined(ImtransError):
    """A loss became infinite or not a number: the weights of now must not be kept."""


@dataclass
class Loop:
    """One session of a run: what it works with, and how far it is."""

    task: Task
    stepper: Stepper
    feed: Feeding
    preview: Preview | None  # on rank 0
    validation: Validation
    run_dir: RunDir
    position: Position
    listeners: Listener
    background: Background  # what takes long is written there
    group: Group

    def __post_init__(self) -> None:
        self.step, self.order = self.stepper.step, self.feed.order
        position = self.position
        epochs_after = self.task.recipe.train.epochs - position.epoch
        # None are left where there were more pairs when it stopped.
        of_this = max(self.order.steps(position.skipped) - position.batch, 0)
        of_this = of_this if epochs_after >= 0 else 0
        left = of_this + max(epochs_after, 0) * self.order.steps()
        self.steps = position.step + left  # when all epochs are done
        self.meter, self._saving = Meter(self.group), False
        self.failures = Failures(self.group)
        self._launches, self._compared = 0, False

    def run(self) -> Outcome:
        """Step through the remaining epochs."""
        try:
            self.listeners.begun(self._now())
            with Interrupt() as interrupt:
                return self._epochs(interrupt)
        except (Ruined, Lost):
            self.background.wait()  # these weights are older, and good
            raise
        except (ImtransError, OSError):
            if not self.failures.known_to_all:  # to save takes all ranks
                raise
            # A broken image must not cost what was learned before it was met.
            self.background.again()  # without that, a checkpoint would claim too much
            self._end()
            raise
        finally:
            self.background.close()
            # Not left to the loop's own end: a logger that failed may keep its error, and with that
            # every frame that is running now. Python would then wait for the workers forever.
            self.feed.stop()
            self.listeners.closed()

    def _epochs(self, interrupt: Interrupt) -> Outcome:
        train, position = self.task.recipe.train, self.position
        if position.step == 0:
            self._rehearse()
        else:
            self._catch_up()
            if self._has_lost_patience():
                return self._end()
        self.feed.start(position.epoch, position.batch, position.skipped)
        for epoch in range(position.epoch, train.epochs + 1):
            if self.stepper.begin_epoch(epoch):
                self._log()  # what comes may have other losses
            while position.batch < self.order.steps(position.skipped):
                taken, losses = self._take_steps(epoch)
                self._compare_once()
                position.epoch, position.batch = epoch, position.batch + taken
                position.step += taken
                with self.failures.noted():
                    self.listeners.stepped(self._now())
                self.meter.count(losses, taken * self.task.images_per_step)
                self._write_what_is_due()
                with self.failures.noted():
                    self.background.poll()
                if received := self._received(interrupt):
                    name = signal_name(received)
                    self.listeners.said(f"{name}: saving, one moment")
                    return self._end(received)
                if self._has_lost_patience():
                    return self._end()
            position.epoch, position.batch, position.skipped = epoch + 1, 0, 0
        return self._end()

    def _take_steps(self, epoch: int) -> tuple[int, Losses]:
        """One step, or as many as one launch takes before something is due."""
        table, step = self.task.recipe, self.position.step
        self.step.scale_learning_rates(factor(table.train, epoch, step))
        self._fetch()
        rising = step < table.train.warm_up  # where each step has its own learning rate
        return self.stepper.take(self.feed, 1 if rising else self._until_something_is_due())

    def _compare_once(self) -> None:
        if not self._compared:
            self._compared = True
            self.group.together(lambda: check_alike(self.step.method, self.group))

    def _fetch(self) -> None:
        """Have the host read the next batch. What cannot be read on one rank ends all of them, with
        everything saved that was learned before."""
        self.group.watch.at(f"reading the pictures of step {self.position.step + 1}")
        with self.failures.noted(), self.meter.waiting():
            self.feed.fetch()
        if not self.feed.resident:
            self.failures.agreed()
        self.group.watch.at(f"computing step {self.position.step + 1}")

    def _received(self, interrupt: Interrupt) -> signal.Signals | None:
        """The signal that a rank has received. Where no rank waits for its host, they ask each
        other now and then only."""
        self._launches += 1
        if self.feed.resident and not self.group.alone and self._launches % AGREED:
            return None
        found = self.failures.agreed(interrupt.received or 0)
        return signal.Signals(found) if found else None

    def _until_something_is_due(self) -> int:
        table, step = self.task.recipe, self.position.step
        due = (
            table.train.log_every,
            table.train.sample_every,
            table.validation.every,
            table.train.checkpoint_every,
        )
        return min(every - step % every for every in map(self._steps_between, due))

    def _rehearse(self) -> None:
        """Write everything once before the first step: what cannot be written is reported now, not
        hours later."""
        self._validate()
        self._sample()
        self._save()
        self._written()
        self.meter = Meter(self.group)

    def _written(self) -> None:
        """Wait until everything is written. Raises what a rank could not write."""
        with self.failures.noted():
            self.background.wait()
        self.failures.agreed()

    def _catch_up(self) -> None:
        """Write what was due at the checkpoint's step, but could not be: the disk was full."""
        table, step, journal = self.task.recipe, self.position.step, self.run_dir.journal
        last = step == self.steps
        shown, measured = self.group.first(
            lambda: (journal.has_sample(step), journal.validation.has(step))
        )
        if (self._is_due(table.train.sample_every) or last) and not shown:
            self._sample()
        if (self._is_due(table.validation.every) or last) and not measured:
            self._validate()
            self._save()  # the checkpoint knows no more than before it of what is best
        self._written()
        if self.group.leads:
            with self.failures.noted():
                self._remove_old()  # that a kill has left

    def _write_what_is_due(self) -> None:
        table, last = self.task.recipe, self.position.step == self.steps
        if self._is_due(table.train.log_every) or last:
            self._log()
        if self._is_due(table.train.sample_every) or last:
            self._sample()
        if self._is_due(table.validation.every) or last:
            self._validate()
        if self._is_due(table.train.checkpoint_every) and not last:
            self._save()

    def _is_due(self, every: int | str) -> bool:
        """Whether it is time for what is done so often."""
        return self.position.step % self._steps_between(every) == 0

    def _steps_between(self, every: int | str) -> int:
        """N steps, the steps of "N epochs", or of "auto"."""
        if every == "auto":
            return min(USUAL, self.order.steps())
        if isinstance(every, str):
            return int(every.split()[0]) * self.order.steps()
        return every

    def _now(self) -> Moment:
        position = self.position
        return Moment(position.step, self.steps, position.epoch, self.task.recipe.train.epochs)

    def _log(self) -> None:
        """Fetch the losses from the device, once for all the steps since the last time."""
        if not self.meter.steps:
            return
        try:
            reading = self.meter.read(self.step.learning_rate)
        except NotFinite as error:
            # All ranks have read the same.
            self.group.agree(self._ruined(error))
            raise
        with self.failures.noted():
            self.listeners.logged(self._now(), reading)
        for warning in self.step.method.advice(reading.losses):
            self.listeners.said(warning)

    def _ruined(self, error: NotFinite) -> Ruined:
        """The error that names the step, and the pairs that it was taken on."""
        batch, epoch = self.position.batch - 1 - error.ago, self.position.epoch
        skipped = self.position.skipped
        while batch < 0:  # losses are read seldom: epochs of few pairs may lie between
            batch, epoch, skipped = batch + self.order.steps(), epoch - 1, 0
        keys = self.order.together(epoch, batch, skipped)
        names = some(self.task.pairs[index].name for _, index in keys)
        return Ruined(
            f"{error} in step {self.position.step - error.ago}, on the pairs {names}. checkpoints "
            "before it are kept. look at these pairs, or start over (--fresh) with a smaller "
            "train.learning_rate, or train.clip_norm = 1.0"
        )

    def _sample(self) -> None:
        if self.preview is None:
            return
        self.group.watch.at("drawing samples")
        with self.failures.noted(), self.meter.pausing():
            self.listeners.sampled(self._now(), self.preview.draw())

    def _validate(self) -> None:
        if not self.validation:
            return
        with self.meter.pausing():
            with self.failures.noted():
                self.validation.see()
            self.failures.agreed()
            found = self.validation.found()
            at, write = self._now(), self._keep_the_best(found)
            if not self.group.leads:
                return
            told = partial(self.listeners.validated, at, found, self.position.best.step)
            self.background.do(partial(self._write_measured, write, at, found), told)

    def _write_measured(self, best: Work, at: Moment, found: dict[str, Measured]) -> None:
        """First the best, if that is new, then what says that it was measured. A checkpoint is
        written after both; without it, both are due again."""
        best()
        self.run_dir.journal.measured(at, found)

    def _keep_the_best(self, found: dict[str, Measured]) -> Work:
        """Note the best; returns what writes it, if it is new."""
        metric, position = self.task.recipe.validation.best_metric, self.position
        if metric not in found or not position.step:
            return nothing
        value, higher = found[metric].value, found[metric].higher_is_better
        if not position.best.note(value, position.step, higher_is_better=higher):
            return nothing
        if not self.group.leads:
            return nothing
        return snapshot_translators(self.run_dir.best, self.step, position, self.task)

    def _has_lost_patience(self) -> bool:
        patience, best = self.task.recipe.validation.patience, self.position.best
        if patience is None or best.since < patience:
            return False
        self.listeners.said(
            f"stopping: {best.since} validations since step {best.step} were no better; the best "
            f"generator is {self.run_dir.best}"
        )
        return True

    def _end(self, signal_: signal.Signals | None = None) -> Outcome:
        path = self.run_dir.checkpoint_path(self.position.step)
        self._written()
        if self.position.step and not self.group.first(path.exists):
            self._save()
            self._written()
        best = self.position.best if self.position.best.value is not None else None
        return Outcome(self.run_dir.path, path, self.position.step, signal_, best)

    def _save(self) -> None:
        self._log()  # which stops here when a loss is not finite: such weights are not kept
        path = self.run_dir.checkpoint_path(self.position.step)
        own = rank_state(self.step.method, self.step.device)
        others = self.group.to_first({} if self.group.leads else on_the_cpu(own))
        if not self.group.leads:
            return
        with self.failures.noted(), self.meter.pausing():
            if self._saving:
                self.background.wait()
            write = snapshot(path, self.step, self.position, self.task, others)
            self._saving = True
            self.background.do(partial(self._write, write), partial(self._saved, self._now(), path))

    def _write(self, checkpoint: Work) -> None:
        checkpoint()
        self._remove_old()

    def _saved(self, at: Moment, path: Path) -> None:
        self._saving = False
        self.listeners.saved(at, path)

    def _remove_old(self) -> None:
        keep = self.task.recipe.train.keep_last
        for old in checkpoint.checkpoints(self.run_dir.path)[:-keep]:
            checkpoint.remove(old)
