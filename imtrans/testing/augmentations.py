"""What an augmentation promises."""

from random import Random

from imtrans.contracts.images import photograph, probe_augmentation
from imtrans.testing.case import Case


def changes_a_copy_by_its_draws_alone(case: Case) -> None:
    probe_augmentation(case.component, case.build())


def leaves_labels_labels(case: Case) -> None:
    """`nearest`: a label is a number of a class, and nothing between two of them is one."""
    labels = (photograph(64, 64) > 0.5).float()
    made = case.build()(labels, Random(1), "nearest")
    if not ((made == 0) | (made == 1)).all():
        raise case.broken(
            "with resample = 'nearest' it made other values than 0 and 1 of an image of 0 and 1",
            "with 'nearest' images are labels: values are moved, and never mixed",
            "pass `resample` on to `grid_sample` or `interpolate`; what changes colours leaves "
            "such an image as it is",
        )


def moves_every_channel_alike(case: Case) -> None:
    augmentation = case.build()
    if augmentation.sides != "both":
        return
    image = photograph(64, 64)[:1].expand(3, -1, -1).contiguous()
    made = augmentation(image, Random(1), "bilinear")
    if not (made == made[:1]).all():
        raise case.broken(
            "three equal channels are not equal afterwards",
            "an augmentation of both sides is geometry: every channel moves alike",
            "set `sides = 'source'` if it changes colours",
        )


PROMISES = (changes_a_copy_by_its_draws_alone, leaves_labels_labels, moves_every_channel_alike)
