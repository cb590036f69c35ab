"""Gradio's components for files, without what reads the files: imtrans has decoders of its own.

Gradio opens an upload with Pillow before it hands it on, and fetches what is an address. Here a
file is a path in the server's folder, and stays unread.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio_client.utils import is_http_url_like

from imtrans.serving.payload import ADDRESS


class _PathsAlone:
    """Mixed into a component: addresses are refused, files are passed on as their paths."""

    is_template = True  # the page shows it as the component that it is made from

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

from gradio.events import Dependency

class ImageUpload(_PathsAlone, gr.Image):
    """An image from a file, a camera or the clipboard, as the path of its file."""

    def get_block_name(self) -> str:
        return "image"

    get_block_class = get_block_name
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class FileUpload(_PathsAlone, gr.File):
    """Files of any kind, as their paths."""

    def get_block_name(self) -> str:
        return "file"

    get_block_class = get_block_name
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component