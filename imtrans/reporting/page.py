"""Pages: one HTML file each, with its style and its script inside, that asks for nothing else.

A Content-Security-Policy in the page itself forbids every request, and every script but its own.
"""

import hashlib
import math
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from imtrans.host.words import counted, duration, is_shown
from imtrans.reporting.series import shown

TEMPLATES = Path(__file__).parent / "templates"


def rendered(template: str, **facts: Any) -> bytes:
    """A page from a template. Every text in it is escaped."""
    style, script = ((TEMPLATES / name).read_text("utf-8") for name in ("page.css", "page.js"))
    page = _templates().get_template(template)
    text = page.render(
        style=style, script=script, style_hash=_hash(style), script_hash=_hash(script), **facts
    )
    return text.encode("utf-8", "replace")


@cache
def _templates() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "shown": shown,
        "number": _number,
        "duration": duration,
        "counted": counted,
        "data": _data,
    }
    found.finalize = _visible
    return found


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _visible(value: Any) -> Any:
    """Text without characters that turn the direction of others, or cannot be seen."""
    if type(value) is str and not value.isprintable():
        return "".join(letter if letter in "\n\t" or is_shown(letter) else "?" for letter in value)
    return value


def _data(value: Mapping[str, Any]) -> jinja2.utils.markupsafe.Markup:
    """JSON inside a script element: `<`, `>` and `&` are escaped, so that it cannot end there."""
    return jinja2.utils.htmlsafe_json_dumps(_finite(value), separators=(",", ":"))


def _finite(value: Any) -> Any:
    """JSON has neither infinity nor NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
