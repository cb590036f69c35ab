"""What a derivation promises."""

from random import Random

import torch

from imtrans.contracts.images import photograph, probe_derivation
from imtrans.testing.case import Case


def gives_what_networks_see_by_its_draws_alone(case: Case) -> None:
    probe_derivation(case.component, case.build())


def its_target_stands_for_the_photograph(case: Case) -> None:
    derivation, photo = case.build(), photograph()
    again = derivation.compose(derivation.target(photo), derivation.derive(photo, Random(1)))
    apart = (again - photo).abs().max().item() if again.shape == photo.shape else None
    if apart is None or apart >= 1 / 255:
        raise case.broken(
            f"`compose(target(photo), source)` made {tuple(again.shape)} of {tuple(photo.shape)}"
            if apart is None
            else f"`compose(target(photo), source)` is {apart * 255:.1f} of 255 grey levels apart "
            "from the photograph",
            "a target that is reached exactly gives the photograph again",
            "let `compose` undo what `target` does",
        )


def takes_what_a_user_has(case: Case) -> None:
    derivation = case.build()
    picture = torch.cat([photograph(), (photograph(seed=1)[:1] > 0.2).float()])
    source = derivation.given(picture)
    if source.shape[0] != derivation.source_channels or source.abs().max() > 1:
        raise case.broken(
            f"`given()` made {tuple(source.shape)}, in values up to {source.abs().max():.3g}, of "
            "a picture of 4 channels",
            "`given(picture)` makes a source, (source_channels, H, W) in [-1, 1], of grey (1), RGB "
            "(3) and RGBA (4) pictures",
            "look at `picture.shape[0]`, and bring it to what `derive` makes",
        )


PROMISES = (
    gives_what_networks_see_by_its_draws_alone,
    its_target_stands_for_the_photograph,
    takes_what_a_user_has,
)
