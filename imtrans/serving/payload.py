"""What a call may bring in JSON: values, and files that were uploaded to this server before.

Gradio would fetch an address that a call names as a file, and complain of a strange path with a
stack trace; neither gets so far.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from imtrans.api.errors import ImtransError

ADDRESS = "the server fetches no addresses; upload the file itself"
MOST = 20_000  # values of a call: a batch has some thousand, and each takes memory when it is read
NOT_UPLOADED = "not a file that was uploaded here, or it is no longer kept; upload it again"


def check_call(body: bytes, holds: Callable[[str], bool]) -> None:
    """Raise ImtransError for a call that is no JSON object, or brings a file that `holds` does not
    know."""
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST:
        raise ImtransError("more values than any call has")
    try:
        found = json.loads(body)
        files = list(_files(found))
    except (ValueError, RecursionError) as error:
        raise ImtransError("not JSON, or nested too deeply") from error
    if not isinstance(found, dict):
        raise ImtransError('not a JSON object; a call is {"data": [...]}')
    for file in files:
        path, url = file.get("path"), file.get("url")
        if _is_address(path) or (path is None and url is not None):
            raise ImtransError(ADDRESS)
        if path is not None and not (isinstance(path, str) and holds(path)):
            raise ImtransError(NOT_UPLOADED)
        if file.get("is_stream"):
            raise ImtransError(NOT_UPLOADED)


def _files(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside that gradio may take for a file, or for what was one."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if "path" in one or "url" in one:
                yield one
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _is_address(path: object) -> bool:
    return isinstance(path, str) and "://" in path
