"""What C libraries write to stderr by themselves, past progress bars and messages, is switched off.

Only libtiff does so; its errors Pillow raises too. Its handlers of errors and warnings, which
Pillow leaves as they are, are unset here, in the very library that Pillow has loaded. It is done
once, for the whole process, since images are decoded in threads: to redirect stderr meanwhile would
swallow what other threads write to it, and Pillow has no setting for it. Where the functions cannot
be reached (on Windows they are inside of Pillow's own module), the noise stays.
"""

import ctypes
from contextlib import suppress

from PIL import _imaging


def silence_libtiff() -> None:
    with suppress(OSError, AttributeError):
        # A symbol is looked up in what the module is linked to as well, wherever that is.
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            set_handler = getattr(library, name)
            set_handler.argtypes, set_handler.restype = (ctypes.c_void_p,), ctypes.c_void_p
            set_handler(None)
