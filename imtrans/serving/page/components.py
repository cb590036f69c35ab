"""Gradio's components for files, without what reads the files: imtrans has decoders of its own.

Gradio opens an upload with Pillow before it hands it on, and fetches what is an address. Here a
file is a path in the server's folder, and stays unread.
"""

from abc import ABCMeta
from pathlib import Path
from typing import Any

import gradio as gr
from gradio_client.utils import is_http_url_like

from imtrans.serving.payload import ADDRESS


class _PathsAlone:
    """Mixed into a component: addresses are refused, files are passed on as their paths."""

    async def async_move_resource_to_block_cache(
        self, url_or_file_path: str | Path | None
    ) -> str | None:
        _refuse_address(url_or_file_path)
        return await super().async_move_resource_to_block_cache(url_or_file_path)  # type: ignore[misc]

    def move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        _refuse_address(url_or_file_path)
        found: str | None = super().move_resource_to_block_cache(url_or_file_path)  # type: ignore[misc]
        return found

    def preprocess(self, payload: Any) -> Any:
        if payload is None:
            return None
        files = getattr(payload, "root", None)
        return payload.path if files is None else [each.path for each in files]


def _refuse_address(given: str | Path | None) -> None:
    if given is not None and is_http_url_like(str(given)):
        raise gr.Error(ADDRESS, print_exception=False)


def _without_reading(component: type[gr.components.Component]) -> Any:
    """The component as one of paths alone. Not by a class statement: gradio's metaclass would write
    a file of types beside this one, into the installed package."""
    kind, shown_as = type(component), component.__name__.lower()
    facts = {
        "__module__": __name__,
        "get_block_name": lambda self: shown_as,
        "get_block_class": lambda self: shown_as,
    }
    return ABCMeta.__new__(kind, f"{component.__name__}OfPath", (_PathsAlone, component), facts)


ImageUpload = _without_reading(gr.Image)  # from a file, a camera or the clipboard
FileUpload = _without_reading(gr.File)
