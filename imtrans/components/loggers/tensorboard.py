"""Curves and previews for TensorBoard."""

import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.listener import Listener, Measured, Moment, Reading

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "tensorboard"


@hookimpl
def register_loggers(register: Register) -> None:
    register("tensorboard", TensorBoard)


class TensorBoard(Listener):
    """Event files in the folder tensorboard of the run: `tensorboard --logdir runs` shows all runs.

    Losses are `loss/NAME`, metrics on validation pairs `validation/NAME`; beside them the learning
    rate, images per second, the share of time spent waiting for data, the previews, and the recipe
    as text. A run that continues goes on in the same curves: TensorBoard drops what was written of
    steps that are taken again. Needs `pip install "imtrans[tensorboard]"`.
    """

    def __init__(self, run_dir: Path, recipe: Mapping[str, Any]) -> None:
        _import()
        self.folder, self.recipe = run_dir / FOLDER, recipe

    def begun(self, at: Moment) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        there = len(list(self.folder.glob("events.out.tfevents.*")))
        # Each session has a file of its own. They are read in the order of their names; the number
        # orders those of one second.
        self.path = self.folder / f"events.out.tfevents.{int(time.time()):010d}.{there:04d}"
        again = at.step + 1 if at.step else 0  # step 0 is taken again
        self._write(again, file_version="brain.Event:2")
        self._write(again, session_log={"status": "START"})
        if not there or not at.step:
            self._write(at.step, summary={"value": [_text("recipe", _fenced(self.recipe))]})

    def logged(self, at: Moment, reading: Reading) -> None:
        losses = {f"loss/{name}": value for name, value in reading.losses.items()}
        speeds = {"images_per_second": reading.images_per_second, "waiting": reading.waiting}
        self._scalars(at.step, {**losses, "learning_rate": reading.learning_rate, **speeds})

    def validated(self, at: Moment, metrics: Mapping[str, Measured], best_step: int) -> None:
        values = {f"validation/{name}": measured.value for name, measured in metrics.items()}
        self._scalars(at.step, values)

    def sampled(self, at: Moment, grid: "Image") -> None:
        self._write(at.step, summary={"value": [_picture("samples", grid)]})

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        found = [{"tag": tag, "simple_value": value} for tag, value in values.items()]
        self._write(step, summary={"value": found})

    def _write(self, step: int, **content: Any) -> None:
        """Add an event. It is in the file when this returns, so that no checkpoint is newer than
        the curves that lead to it.

        torch's SummaryWriter writes in a thread, which on a full disk prints a traceback and lets
        the next flush wait forever. Here a disk that fails raises OSError.
        """
        event, record = _import()
        with self.path.open("ab") as file:
            content = {"wall_time": time.time(), "step": step, **content}
            record(file).write(event(**content).SerializeToString())


def _import() -> tuple[Any, Any]:
    """TensorBoard's Event and RecordWriter. Raises ImtransError where it is not installed."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise ImtransError(
            "the logger 'tensorboard' needs TensorBoard: pip install \"imtrans[tensorboard]\""
        ) from error
    return Event, RecordWriter


def _picture(tag: str, image: "Image") -> dict[str, Any]:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    size = {"width": image.width, "height": image.height, "colorspace": len(image.getbands())}
    return {"tag": tag, "image": {**size, "encoded_image_string": file.getvalue()}}


def _text(tag: str, markdown: str) -> dict[str, Any]:
    tensor = {"dtype": "DT_STRING", "string_val": [markdown.encode("utf-8", "replace")]}
    shape = {"dim": [{"size": 1}]}
    return {
        "tag": f"{tag}/text_summary",
        "metadata": {"plugin_data": {"plugin_name": "text"}},
        "tensor": {**tensor, "tensor_shape": shape},
    }


def _fenced(recipe: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps(recipe, indent=2, ensure_ascii=False)}\n```"
