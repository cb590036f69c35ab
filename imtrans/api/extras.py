"""Libraries that only some components need: an extra of the distribution brings them."""

from importlib import import_module
from types import ModuleType

from imtrans.api.errors import ImtransError


def imported(module: str, *, extra: str) -> ModuleType:
    """A module of an optional library, imported late. Raises ImtransError, of one line, where that
    fails in whatever way: compiled libraries fail in many."""
    try:
        return import_module(module)
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = lines[0] if lines else type(error).__name__
        if "torchvision" in reason and not isinstance(error, ModuleNotFoundError):
            # What pip finds on PyPI does not fit a torch from another index, as of CPUs alone.
            reason += "; torchvision has to come from the same index as torch"
        library = module.partition(".")[0]
        raise ImtransError(
            f"'{library}' cannot be imported: pip install \"imtrans[{extra}]\" ({reason})"
        ) from error
