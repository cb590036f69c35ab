"""imtrans learns a picture-to-picture task from paired images and applies it to folders."""

from typing import TYPE_CHECKING, Any

from imtrans.api.hookspecs import hookimpl

if TYPE_CHECKING:
    from imtrans.translation.translator import load

__version__ = "0.1.0"
__all__ = ["__version__", "hookimpl", "load"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import; `imtrans --help` and plugin modules must not pay for it.
    if name == "load":
        from imtrans.translation.translator import load

        return load
    raise AttributeError(f"module 'imtrans' has no attribute {name!r}")
