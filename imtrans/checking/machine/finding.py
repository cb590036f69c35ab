"""One line of the doctor's report."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """`note`: it works, and could do better; `wrong`: something will fail."""

    subject: str
    said: str
    state: Literal["ok", "note", "wrong"] = "ok"
