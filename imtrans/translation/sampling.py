"""How the outputs of a translator are drawn, where it draws any: which of them, and how many."""

from dataclasses import dataclass

from imtrans.api.errors import ImtransError
from imtrans.translation.pipeline import Seeds
from imtrans.translation.translator import Translator


@dataclass(frozen=True)
class Sampling:
    """What is chosen of a translator that draws random numbers."""

    nfe: int | None = None  # network evaluations for an output; None: those of the recipe
    seed: int | None = None  # with which dropout is on, too; None: 0, and dropout is off
    samples: int | None = None  # outputs for each source, of seeds one after the other

    def seeds(self, translator: Translator) -> Seeds:
        """Those of the outputs for each source. Raises ImtransError where they would be equal."""
        if self.samples is None:
            return (None,)
        if not translator.samples:
            raise ImtransError(
                "--samples: each would be the same: this network draws no random numbers"
                + ("" if self.seed is not None else "; --dropout-seed 0 keeps its dropout on")
            )
        first = self.seed or 0
        return range(first, first + self.samples)
