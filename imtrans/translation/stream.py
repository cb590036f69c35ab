"""Several images in Python, one after the other in their order, with the speed of a folder."""

import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from imtrans.api.errors import ImtransError
from imtrans.data.encoding import Given
from imtrans.host.threads import Threads, usual_count
from imtrans.translation.forms import in_form_of, picture_of
from imtrans.translation.pipeline import Passed, through

if TYPE_CHECKING:
    from imtrans.translation.translator import Translator

Numbered = tuple[int, Any]


def in_order(translator: "Translator", images: Iterable[Any]) -> Iterator[Any]:
    """The translation of each image, in its form. Some dozens are read ahead. Raises what
    `Translator.translate` raises, at the turn of the image that is to blame."""
    early: dict[int, Passed[Numbered]] = {}
    turn = 0
    with Threads(usual_count()) as threads:
        for one in through(translator, enumerate(images), partial(_read, translator), threads):
            early[one.item[0]] = one
            while turn in early:
                yield _result(translator, early.pop(turn))
                turn += 1


def _read(translator: "Translator", numbered: Numbered) -> Given:
    return translator.given(picture_of(numbered[1]))


def _result(translator: "Translator", one: Passed[Numbered]) -> Any:
    number, image = one.item
    if isinstance(one.given, ImtransError):
        raise one.given
    if isinstance(one.outputs, ImtransError):
        raise ImtransError(f"image {number}: {one.outputs}")
    for remark in translator.remarks(one.given):
        warnings.warn(f"image {number}: {remark.text}", UserWarning, stacklevel=3)
    return in_form_of(image, translator.finished(one.outputs[0], one.given))
