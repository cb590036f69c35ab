"""Where a third party's code raised."""

import sysconfig
import traceback
from pathlib import Path

import torch

STDLIB = sysconfig.get_path("stdlib") + "/"
OURS = tuple(f"{folder}/" for folder in (Path(torch.__file__).parent, Path(__file__).parents[1]))


def place_of(error: BaseException) -> str:
    """`, FILE:LINE` of the last line that is neither Python's, torch's nor ours; or nothing."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        python = frame.filename.startswith(STDLIB) and "-packages/" not in frame.filename
        if not python and not frame.filename.startswith(OURS):
            return f", {frame.filename}:{frame.lineno}"
    return ""
