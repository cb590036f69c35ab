"""What the page and the HTTP API call: files and drawings in, files and pictures out.

A mistake of a client is one line; nothing else of the server reaches it.
"""

import errno
import logging
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from imtrans.api.errors import ImtransError, quoted
from imtrans.api.pictures import Picture
from imtrans.host.words import readable
from imtrans.serving.batch import translate_batch, translate_file, uploaded
from imtrans.serving.drawing import Drawing
from imtrans.serving.gate import FAULT, NO_DISK
from imtrans.serving.limits import Limits
from imtrans.serving.served import Draw, Served
from imtrans.serving.showing import data_url, shown
from imtrans.serving.storage import Storage, kept_name

P = ParamSpec("P")
R = TypeVar("R")


def one_line(call: Callable[P, R]) -> Callable[P, R]:
    """Whatever goes wrong within reaches the client as one line."""

    @wraps(call)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except Exception as error:
            raise gr.Error(_line(error), print_exception=False) from None

    return guarded


def _line(error: Exception) -> str:
    if isinstance(error, ImtransError):
        return " ".join(readable(str(error)).split())
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NO_DISK
    logging.getLogger(__name__).error("a call failed", exc_info=error)
    return FAULT


class Calls:
    """The calls on all runs of a server."""

    def __init__(
        self, runs: Sequence[Served], drawing: Drawing | None, storage: Storage, limits: Limits
    ) -> None:
        self.served, self.storage, self.limits = runs, storage, limits
        self._drawing = drawing

    def runs(self) -> list[dict[str, object]]:
        """What is served: names, titles, what goes in and what comes out."""
        return [served.facts for served in self.served]

    @one_line
    def translate(
        self, image: str | None, run: str | None = None, seed: Any = None, nfe: Any = None
    ) -> str:
        """Translate an image. Returns the exact file that `imtrans translate` would write."""
        if not image:
            raise ImtransError("no image; upload one first")
        return str(translate_file(self._run(run), image, choice(seed, nfe), self.storage))

    @one_line
    def batch(
        self, images: list[str] | None, run: str | None = None, seed: Any = None, nfe: Any = None
    ) -> tuple[str, dict[str, object]]:
        """Translate several images. Returns a zip of the results, and what became of the images."""
        place, done, skipped = translate_batch(
            self._run(run), images or [], choice(seed, nfe), self.storage, self.limits
        )
        return str(place), {"done": done, "skipped": skipped}

    @one_line
    def draw(self, value: object, seed: Any = None, nfe: Any = None) -> Any:
        """What each run makes of a drawing, or why it makes nothing of it."""
        assert self._drawing is not None
        chosen, picture = choice(seed, nfe), self._drawing.picture(value)
        made = [self._drawn(served, picture, chosen) for served in self.served]
        return made if len(made) > 1 else made[0]

    def _drawn(self, served: Served, picture: Picture | None, chosen: Draw) -> dict[str, str]:
        if picture is None:
            return {"image": "", "text": ""}
        try:
            made = served.translated(picture, chosen)
            return {"image": data_url(served.seen(made)), "text": "; ".join(made.remarks)}
        except ImtransError as error:
            return {"image": "", "text": _line(error)}

    @one_line
    def compare(self, image: str | None, seed: Any = None, nfe: Any = None) -> list[Any]:
        """Of each run: source and output to look at, the exact file, and what is to be said."""
        found: list[Any] = []
        chosen = choice(seed, nfe)
        for served in self.served:
            found += self._compared(served, image, chosen) if image else (None, None, "")
        return found

    def _compared(self, served: Served, image: str, chosen: Draw) -> tuple[Any, Any, str]:
        try:
            picture = uploaded(image)
            made = served.translated(picture, chosen)
            name = kept_name(image, "")
            sides = (
                str(shown(served.seen_source(picture), f"{name}-source", self.storage)),
                str(shown(served.seen(made), f"{name}-output", self.storage)),
            )
            exact = str(served.written(made, image, self.storage))
            return sides, exact, said("; ".join(made.remarks))
        except ImtransError as error:
            return None, None, said(_line(error), wrong=True)

    def _run(self, name: str | None) -> Served:
        if not name:
            if len(self.served) == 1:
                return self.served[0]
            raise ImtransError(f"which run? {quoted(each.name for each in self.served)}")
        for served in self.served:
            if served.name == name:
                return served
        raise ImtransError(
            f"no run of this name; there are {quoted(each.name for each in self.served)}"
        )


def choice(seed: Any, nfe: Any) -> Draw:
    """What a client chose. Raises ImtransError where that is no whole number."""
    return Draw(_whole(seed, "seed"), _whole(nfe, "nfe"))


def _whole(value: Any, name: str) -> int | None:
    """A number of JSON, or what was typed; None where nothing was."""
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        value = float(value) if value.isascii() and value.isdecimal() and len(value) < 16 else None
    elif value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise ImtransError(f"{name}: not a whole number")
    return int(value)


def said(text: str, *, wrong: bool = False) -> str:
    """A line as the page shows it; empty where there is nothing to say."""
    from html import escape

    return f'<p class="{"wrong" if wrong else "remark"}">{escape(text)}</p>' if text else ""
