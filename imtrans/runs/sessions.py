"""The sessions of a run: when each began, after which step, with which command and on what.

RUN/sessions.jsonl, a line for each. Neither the name of the machine nor of its user is noted.
"""

import json
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import imtrans
from imtrans.host.files import write_whole
from imtrans.host.machine import cores, cpu_name
from imtrans.host.words import plain
from imtrans.runs.records import Records

FILE = "sessions.jsonl"
LONGEST = 4000  # characters of a command
MOST = 1000  # sessions


@dataclass(frozen=True)
class Session:
    """One process that trained a run; empty texts where something is not known."""

    step: int  # already done when it began
    began: str = ""  # 2026-11-22 06:15 UTC
    command: str = ""  # as a shell takes it; empty when it was started from Python
    device: str = ""
    imtrans: str = ""
    torch: str = ""
    python: str = ""
    system: str = ""


def note_session(
    run: Path, step: int, device: torch.device, command: Sequence[str], ranks: int = 1
) -> None:
    """Add this process to the sessions of a run. What cannot be noted stops no training."""
    session = Session(
        step,
        datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        shlex.join(command)[:LONGEST],
        (f"{ranks} processes, the first on " if ranks > 1 else "") + _described(device),
        imtrans.__version__,
        torch.__version__,
        platform.python_version(),
        f"{platform.system()} {platform.machine()}",
    )
    known = [*sessions(run)[1 - MOST :], session]
    text = "".join(f"{json.dumps(asdict(one))}\n" for one in known)
    with suppress(OSError):
        write_whole(run / FILE, text.encode())


def sessions(run: Path) -> list[Session]:
    """The sessions that were noted, oldest first; damaged lines are left out."""
    with suppress(OSError):
        return [*_read(Records(run / FILE).up_to(2**63))]
    return []


def _read(records: Iterator[Mapping[str, Any]]) -> Iterator[Session]:
    names = [field.name for field in fields(Session) if field.name != "step"]
    for record in records:
        texts = {name: plain(record.get(name, ""), LONGEST) for name in names}
        yield Session(int(record["step"]), **texts)


def _described(device: torch.device) -> str:
    """`cuda:0, NVIDIA A100`, or the processor with its cores."""
    if device.type == "cuda":
        return f"{device}, {torch.cuda.get_device_name(device)}"
    if device.type == "cpu":
        return f"cpu, {cpu_name()}, {cores()} cores"
    return str(device)
