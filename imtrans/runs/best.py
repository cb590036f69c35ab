"""The best validation so far, and how long ago it was."""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass
class Best:
    """`value` of a metric at `step`; `since` validations have not been better. None at first."""

    value: float | None = None
    step: int = 0
    since: int = 0

    def note(self, value: float, step: int, *, higher_is_better: bool) -> bool:
        """Note a validation; True when it is the best."""
        if self.value is not None and not self._better(value, self.value, higher_is_better):
            self.since += 1
            return False
        self.value, self.step, self.since = value, step, 0
        return True

    @staticmethod
    def _better(one: float, other: float, higher_is_better: bool) -> bool:
        return one > other if higher_is_better else one < other

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str | None) -> Self:
        """As written into a checkpoint; those of before there was a best have none. Raises
        ValueError or TypeError for any other text."""
        found = cls(**json.loads(text)) if text else cls()
        known = isinstance(found.value, float | int | None) and not isinstance(found.value, bool)
        if not (known and isinstance(found.step, int) and isinstance(found.since, int)):
            raise TypeError("no number")
        return found
