"""gpu.json: what every part found, written after every measurement, so that nothing is lost."""

import json
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from imtrans.host.files import write_whole

FORMAT = 1
FINISHED, UNFINISHED, FAILED = "finished", "unfinished", "failed"


class Results:
    """The parts that were measured, by name, each with where, when and how.

    A part is `finished`; `unfinished` while it runs, and when its minutes were used before all was
    measured; or `failed`, with its errors. What was measured on another machine, of another commit
    or in another size is measured again.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gpu.json"
        self.parts: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            self.parts = json.loads(self.path.read_text(encoding="utf-8"))["parts"]

    def is_finished(self, part: str, place: dict[str, Any]) -> bool:
        return self._is_of(part, place) and self.parts[part]["status"] == FINISHED

    def begin(self, part: str, place: dict[str, Any], command: str, begun: str) -> None:
        """Keeps what an unfinished part has already found in the same place, without failures."""
        known = self.parts[part] if self._is_of(part, place) else {}
        continued = known.get("status", FINISHED) != FINISHED
        found = known["results"] if continued else {}
        results = {name: value for name, value in found.items() if name not in known["errors"]}
        self.parts[part] = {
            "status": UNFINISHED,
            "place": place,
            "command": command,
            "begun": begun,
            "seconds": 0.0,
            "continued": continued,
            "left_out": [],
            "errors": {},
            "results": results,
        }
        self.write()

    def put(self, part: str, name: str, value: Any) -> None:
        self.parts[part]["results"][name] = plain(value)
        self.write()

    def fail(self, part: str, what: str, error: str) -> None:
        self.parts[part]["errors"][what] = error
        self.parts[part]["status"] = FAILED
        self.write()

    def leave_out(self, part: str, what: str) -> None:
        """Something that was not measured, and why; it does not make a part unfinished."""
        self.parts[part]["left_out"].append(what)
        self.write()

    def end(self, part: str, seconds: float, *, whole: bool) -> None:
        found = self.parts[part]
        found["seconds"] = round(seconds, 1)
        if found["errors"]:
            found["status"] = FAILED
        else:
            found["status"] = FINISHED if whole else UNFINISHED
        self.write()

    def write(self) -> None:
        text = json.dumps({"format": FORMAT, "parts": self.parts}, indent=1)
        write_whole(self.path, text.encode() + b"\n")

    def _is_of(self, part: str, place: dict[str, Any]) -> bool:
        return part in self.parts and self.parts[part]["place"] == place


def plain(value: Any) -> Any:
    """The value as JSON has it; numbers to five digits, and none that are not finite."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        rounded = float(f"{value:.5g}")
        return rounded if abs(rounded) < float("inf") else None
    return value if isinstance(value, str | int | bool | None) else str(value)
