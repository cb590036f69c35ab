"""Curves and previews for Weights & Biases."""

import json
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.listener import Listener, Measured, Moment, Reading

if TYPE_CHECKING:
    from PIL.Image import Image

NOTE = Path("wandb", "continues.json")  # in the run directory
WITHOUT_A_KEY = ("offline", "dryrun", "disabled")  # modes
LAST_UPLOAD = 120.0  # s, at the end: without a limit wandb waits for days where there is no network
SETTINGS = {
    # Nothing is printed over the view of the training, and no output is caught.
    "silent": True,
    "console": "off",
    # Neither code nor the state of git leaves the machine.
    "disable_code": True,
    "disable_git": True,
    "save_code": False,
    # A script that calls imtrans may have a run of its own.
    "reinit": "create_new",
    "finish_timeout_raises": True,
    # s until what was logged is in the file: with wandb's 15 a kill loses as much.
    "x_transaction_log_flush_interval": 0.02,
}
SETTLED = 0.1  # s after which it is there for certain


@hookimpl
def register_loggers(register: Register) -> None:
    register("wandb", WeightsAndBiases)


class WeightsAndBiases(Listener):
    """A run on Weights & Biases, or on a server of your own.

    Losses are `loss/NAME`, metrics on validation pairs `validation/NAME`; beside them the learning
    rate, images per second, the share of time spent waiting for data and the previews, all over
    `step`. The recipe is its config, without loggers. A training that continues goes on in the same
    run, and steps that are taken again are not logged again. No code and no git state is recorded.
    Needs `pip install "imtrans[wandb]"`.

    With `mode = "offline"` nothing leaves the machine until `wandb sync RUN/wandb/offline-run-*`.
    What is left out is as wandb's own settings have it (WANDB_MODE, WANDB_PROJECT, ...); the
    project is then "imtrans", if they name none.
    """

    def __init__(
        self,
        run_dir: Path,
        recipe: Mapping[str, Any],
        *,
        project: str | None = None,
        entity: str | None = None,
        mode: Literal["online", "offline"] | None = None,
        tags: tuple[str, ...] = (),
    ) -> None:
        self.run_dir, self.note = run_dir, run_dir / NOTE
        # The tables of other loggers may hold keys to their servers.
        self.config = {key: value for key, value in recipe.items() if key != "logger"}
        chosen = {"project": project, "entity": entity, "mode": mode, "run_tags": tags}
        self.chosen = {key: value for key, value in chosen.items() if value}
        self.run: Any = None
        self.wandb = _import()
        # Nothing is printed over the view of the training, also by what comes before a run.
        self.wandb.setup(self.wandb.Settings(silent=True))
        if self.chosen.get("mode", self._own.mode) not in WITHOUT_A_KEY:
            self._log_in()

    @property
    def _own(self) -> Any:
        """wandb's own settings, of its files and the environment."""
        return self.wandb.setup().settings

    def _log_in(self) -> None:
        """Find the key that `wandb login` has left: else wandb would ask for one in the terminal,
        in the middle of a training."""
        if self._own.mode in WITHOUT_A_KEY:
            self.wandb.setup(self.wandb.Settings(mode=self.chosen["mode"]))
        try:
            known, why = self.wandb.login(prompt=False, verify=False), "there is no key"
        except self.wandb.Error as error:
            known, why = False, str(error).rstrip(".")
        if not known:
            raise ImtransError(
                f"the logger 'wandb' cannot log in to {self._own.base_url}: {why}. run `wandb "
                'login`, or set mode = "offline" and upload later with `wandb sync`'
            )

    def begun(self, at: Moment) -> None:
        self.note.parent.mkdir(parents=True, exist_ok=True)
        # Nothing was kept of a training that begins at step 0 once more.
        run_id, self.before = _read(self.note) if at.step else (None, {})
        self.noted, self.fresh = dict(self.before), deque[tuple[float, str, int]]()
        own = self._own
        found = {
            "project": own.project or "imtrans",
            "run_name": own.run_name or self.run_dir.resolve().name,
            "finish_timeout": own.finish_timeout or LAST_UPLOAD,
        }
        self.run = self.wandb.init(
            dir=self.run_dir,
            id=run_id,
            resume="allow",
            config=self.config,
            allow_val_change=True,  # a run may continue with more epochs
            settings=self.wandb.Settings(**SETTINGS, **{**found, **self.chosen}),
        )
        self.run.define_metric("*", step_metric="step")
        self._remember()

    def stepped(self, at: Moment) -> None:
        if self.fresh and self.fresh[0][0] < monotonic() - SETTLED:
            self._remember()

    def logged(self, at: Moment, reading: Reading) -> None:
        losses = {f"loss/{name}": value for name, value in reading.losses.items()}
        speeds = {"images_per_second": reading.images_per_second, "waiting": reading.waiting}
        self._log("logged", at, {**losses, "learning_rate": reading.learning_rate, **speeds})

    def validated(self, at: Moment, metrics: Mapping[str, Measured], best_step: int) -> None:
        values = {f"validation/{name}": measured.value for name, measured in metrics.items()}
        self._log("validated", at, values)

    def sampled(self, at: Moment, grid: "Image") -> None:
        self._log("sampled", at, {"samples": self.wandb.Image(grid)})

    def closed(self) -> None:
        if not self.run:
            return
        # Called in a `finally`: a training that an error ends is not shown as finished.
        with self._reaching():
            self.run.finish(exit_code=int(sys.exc_info()[0] is not None))
        self._remember(settled=0.0)

    def _log(self, event: str, at: Moment, values: Mapping[str, Any]) -> None:
        """Add a row. wandb cannot take one back: what a session before has logged of steps that are
        taken again stays, and is not logged twice."""
        if at.step <= self.before.get(event, -1):
            return
        with self._reaching():
            self.run.log({"step": at.step, **values})
        self.fresh.append((monotonic(), event, at.step))

    def _remember(self, settled: float = SETTLED) -> None:
        """Note the run and what it has, but nothing that a kill could still take away: rather is a
        point logged twice than not at all."""
        while self.fresh and self.fresh[0][0] <= monotonic() - settled:
            _, event, step = self.fresh.popleft()
            self.noted[event] = step
        partial = self.note.with_name(f".{self.note.name}.partial")
        content = json.dumps({"id": self.run.id, "logged_until": self.noted})
        partial.write_text(content, encoding="utf-8")
        partial.replace(self.note)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """For what needs wandb's service, a process of its own."""
        try:
            yield
        except ConnectionError:
            # The process is gone. wandb would find that again, with a traceback, as Python ends.
            with suppress(Exception):
                self.wandb.teardown()
            raise


def _import() -> Any:
    try:
        import wandb

        wandb.Settings  # noqa: B018  a folder `wandb`, as wandb makes them, can be imported too
    except (ImportError, AttributeError) as error:
        raise ImtransError(
            "the logger 'wandb' needs Weights & Biases: pip install \"imtrans[wandb]\""
        ) from error
    return wandb


def _read(note: Path) -> tuple[str | None, dict[str, int]]:
    """The id of the run that continues, and the last step that was logged of each event; of a new
    run where there is none."""
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        return found["id"], found["logged_until"]
    except (OSError, ValueError, LookupError, TypeError):
        return None, {}
