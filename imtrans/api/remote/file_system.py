"""The file system of fsspec behind an address, one for each process and protocol.

Credentials are never given here: fsspec and what it builds on take them from the environment and
from the user's profiles (AWS_PROFILE, FSSPEC_S3_ANON, GOOGLE_APPLICATION_CREDENTIALS, .netrc).
"""

import os
from collections.abc import Callable
from typing import Any

from imtrans.api.addresses import protocol
from imtrans.api.errors import ImtransError
from imtrans.api.extras import imported

SILENCE = 30.0  # s without a byte, after which a connection counts as cut
CONNECTING = 10.0  # s
SLOWEST = 50_000  # bytes/s; slower than that is no answer

# An event loop does not survive a fork: each process makes its own.
_made: dict[tuple[int, str], Any] = {}


def file_system(address: str) -> Any:
    """The file system of an address. Raises ImtransError when there is none for it."""
    name = protocol(address)
    key = os.getpid(), name
    if key not in _made:
        _made.setdefault(key, _make(name))
    return _made[key]


def call(fs: Any, method: str, *args: Any, size: int = 0, **options: Any) -> Any:
    """What a method of a file system answers; TimeoutError when that takes longer than `size` bytes
    may. A method that is no part of it may be given as a coroutine function."""
    if getattr(fs, "async_impl", False):
        return wait(fs, getattr(fs, f"_{method}"), *args, size=size, **options)
    return getattr(fs, method)(*args, **options)


def wait(fs: Any, ask: Callable[..., Any], *args: Any, size: int = 0, **options: Any) -> Any:
    """What a coroutine function answers, run by the loop of the file system; see `call`."""
    from fsspec.asyn import sync

    return sync(fs.loop, ask, *args, timeout=SILENCE + size / SLOWEST, **options)


def is_http(address: str) -> bool:
    """Whether it is read over HTTP itself, where nothing can be listed."""
    return protocol(address) in ("http", "https")


def is_s3(address: str) -> bool:
    return protocol(address) in ("s3", "s3a")


def _make(name: str) -> Any:
    fsspec = imported("fsspec", extra="remote")
    try:
        kind = fsspec.get_filesystem_class(name)
    except ValueError as error:
        raise ImtransError(
            f"'{name}://': fsspec knows no such addresses; use s3://, gs:// or https://"
        ) from error
    except ImportError as error:
        raise ImtransError(
            f"'{name}://' addresses need more: pip install \"imtrans[remote]\" ({error})"
        ) from error
    # What changes while a training runs is asked for each time.
    fs = kind(skip_instance_cache=True, use_listings_cache=False, **_options(name))
    if hasattr(fs, "retries"):
        fs.retries = 1  # attempts: they are counted here, not twice
    return fs


def _options(name: str) -> dict[str, Any]:
    """Bounds on waiting, beside whatever the user's settings of fsspec say."""
    from fsspec.config import conf

    user = conf.get(name, {})
    if name in ("s3", "s3a"):
        bounds = {
            "connect_timeout": CONNECTING,
            "read_timeout": SILENCE,
            "retries": {"total_max_attempts": 1},
        }
        return {"config_kwargs": bounds | user.get("config_kwargs", {})}
    if name in ("http", "https"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECTING, sock_read=SILENCE)
        # The environment's proxies, and passwords of ~/.netrc.
        client = {"timeout": timeout, "trust_env": True} | user.get("client_kwargs", {})
        return {"client_kwargs": client}
    return {}
