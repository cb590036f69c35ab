"""What a logger promises."""

from pathlib import Path
from typing import Any

from PIL import Image

from imtrans.api.listener import Listener, Measured, Moment, Reading
from imtrans.recipe.reading import values_of
from imtrans.testing.case import Case
from imtrans.testing.small_recipe import small_recipe


def built(case: Case, folder: Path) -> Any:
    return case.build(folder, values_of(small_recipe(case)))


def writes_nothing_before_a_training_begins(case: Case) -> None:
    """`imtrans check` builds it too."""
    built(case, case.folder / "run")
    if found := sorted(case.folder.rglob("*")):
        raise case.broken(
            f"building it wrote '{found[0].relative_to(case.folder)}'",
            "a logger writes nothing before a training begins: `imtrans check` builds it too",
            "open files and connections in `begun`",
        )


def hears_a_whole_training_and_can_continue(case: Case) -> None:
    for begin, end in ((0, 4), (2, 6)):
        logger = built(case, case.folder)
        if not isinstance(logger, Listener):
            raise case.broken(
                f"its builder returned a {type(logger).__name__}",
                "a logger is a Listener",
                "derive its class from `imtrans.api.listener.Listener`",
            )
        logger.begun(Moment(begin, 12, 1, 2))
        for step in range(begin + 1, end + 1):
            at = Moment(step, 12, 1, 2)
            logger.stepped(at)
            logger.logged(at, Reading({"d": 1.0, "g": 0.5}, 2e-4, 10.0, 5.0, 0.1))
            logger.validated(at, {"l1": Measured(0.1, higher_is_better=False)}, step)
            logger.sampled(at, Image.new("RGB", (8, 8)))
            logger.saved(at, case.folder)
            logger.said("a line")
        logger.closed()


PROMISES = (
    writes_nothing_before_a_training_begins,
    hears_a_whole_training_and_can_continue,
)
