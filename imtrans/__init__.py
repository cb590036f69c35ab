"""imtrans learns the way from one picture to another, from pairs, and applies it to others.

`train` and `check` a recipe; `load`, `evaluate` or `export` what was trained; `hookimpl` marks what
a plugin offers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from imtrans.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from imtrans.evaluation.of_run import evaluate
    from imtrans.functions import check, train
    from imtrans.translation.export.exporting import export
    from imtrans.translation.loading import load
    from imtrans.translation.result_files import result_files

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "check",
    "evaluate",
    "export",
    "hookimpl",
    "load",
    "result_files",
    "train",
]
# torch takes seconds to import; `imtrans --help` and plugin modules must not pay for it.
_LATER = {
    "check": "imtrans.functions",
    "evaluate": "imtrans.evaluation.of_run",
    "export": "imtrans.translation.export.exporting",
    "load": "imtrans.translation.loading",
    "result_files": "imtrans.translation.result_files",
    "train": "imtrans.functions",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'imtrans' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
