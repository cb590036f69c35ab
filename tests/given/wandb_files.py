"""What the logger wandb has written offline, read back from its files."""

import json
import struct
from dataclasses import dataclass, field

BLOCK = 32768  # bytes: a record that does not fit into the rest of one goes on in the next
FULL, LAST = 1, 4  # pieces of a record after which it is whole


@dataclass
class Session:
    """One session of a run, as `wandb sync` would upload it."""

    id: str = ""
    project: str = ""
    name: str = ""
    tags: list = field(default_factory=list)
    config: dict = field(default_factory=dict)
    rows: list = field(default_factory=list)  # {"step": 2, "loss/d": 0.7}
    axes: dict = field(default_factory=dict)  # "*" -> "step"
    exit_code: int | None = None
    text: str = ""  # of all records


def sessions(run_dir):
    """The sessions of a run directory, oldest first."""
    paths = sorted(run_dir.glob("wandb/offline-run-*/*.wandb"), key=lambda p: p.stat().st_mtime)
    return [_session(path.read_bytes()) for path in paths]


def steps(run_dir, key):
    """The steps of all rows that have a key, in the order in which they were logged."""
    rows = [row for session in sessions(run_dir) for row in session.rows]
    return [row["step"] for row in rows if key in row]


def _session(data):
    found = Session()
    for record in _records(data):
        kind = record.WhichOneof("record_type")
        found.text += str(record)
        if kind == "run":
            run = record.run
            found.id, found.project, found.name = run.run_id, run.project, run.display_name
            found.tags = list(run.tags)
            found.config = {one.key: json.loads(one.value_json) for one in run.config.update}
        elif kind == "history":
            items = record.history.item
            found.rows.append({"/".join(i.nested_key): json.loads(i.value_json) for i in items})
        elif kind == "metric":
            metric = record.metric
            found.axes[metric.name or metric.glob_name] = metric.step_metric
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def _records(data):
    """The records of a file in the format of LevelDB's log, without one that was cut off."""
    from wandb.proto.wandb_internal_pb2 import Record

    assert data[:4] == b":W&B"
    at, whole = 7, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, size, piece = struct.unpack("<IHB", data[at : at + 7])
        if not piece:
            return
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if piece in (FULL, LAST):
            yield Record.FromString(whole)
            whole = b""
