"""The best validation so far, and how long ago it was."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from imtrans.components.metrics.pixel_metrics import HIGHER_IS_BETTER


@dataclass
class Best:
    """`value` of a metric at `step`; `since` validations have not been better. None at first."""

    value: float | None = None
    step: int = 0
    since: int = 0

    def note(self, metric: str, value: float, step: int) -> bool:
        """Note a validation; True when it is the best."""
        if self.value is not None and not self._better(metric, value, self.value):
            self.since += 1
            return False
        self.value, self.step, self.since = value, step, 0
        return True

    @staticmethod
    def _better(metric: str, one: float, other: float) -> bool:
        return one > other if HIGHER_IS_BETTER[metric] else one < other

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str | None) -> Self:
        """As written into a checkpoint; those of before there was a best have none."""
        return cls(**json.loads(text)) if text else cls()
