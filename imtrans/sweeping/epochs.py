"""For how many epochs each variant trains, so that all train for as long as the first."""

from collections.abc import Mapping
from dataclasses import dataclass

from imtrans.recipe.schema import Recipe

CLOSE = 0.05  # of the first variant's time


@dataclass(frozen=True)
class StepPace:
    """The steps of an epoch, and what a step takes in steps of the first variant."""

    steps: int
    times: float = 1.0

    @property
    def epoch(self) -> float:
        return self.steps * self.times


def equalled(recipe: Recipe, pace: StepPace, epochs: int, first: StepPace) -> Recipe:
    """The recipe with as many epochs as take as long as so many `epochs` of the first variant. Its
    schedule is stretched with them."""
    count = max(1, round(epochs * first.epoch / pace.epoch))
    return lasting(recipe, count)


def lasting(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe for so many epochs, with its schedule stretched or shortened alike."""
    train = recipe.train
    scaled = {
        key: max(1, round(value * epochs / train.epochs))
        for key in ("decay_from", "decay_every")
        if (value := getattr(train, key)) is not None
    }
    changed = train.model_copy(update={"epochs": epochs, **scaled})
    return recipe.model_copy(update={"train": changed})


def apart(recipes: Mapping[str, Recipe], paces: Mapping[str, StepPace]) -> dict[str, float]:
    """The variants that take more or less time than the first by more than CLOSE, since epochs are
    whole: as a factor of its time."""
    whole = {name: recipe.train.epochs * paces[name].epoch for name, recipe in recipes.items()}
    first = next(iter(whole.values()))
    factors = {name: one / first for name, one in whole.items()}
    return {name: factor for name, factor in factors.items() if abs(factor - 1) > CLOSE}
