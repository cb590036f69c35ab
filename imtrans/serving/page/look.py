"""How the page looks: system fonts and quiet colours. Nothing of it comes from another machine."""

from pathlib import Path
from typing import Any

import gradio as gr

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def look() -> dict[str, Any]:
    """The theme, the style sheet and the head of the page, as gradio takes them."""
    return {
        "theme": _theme(),
        "css": (Path(__file__).parent / "page.css").read_text("utf-8"),
        "head": '<link rel="stylesheet" href="board/board.css">',
    }


def _theme() -> gr.themes.Base:
    # Names of fonts as text: gradio looks for other kinds at Google.
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=[_system(name) for name in SANS],
        font_mono=[_system(name) for name in MONO],
    )
    return theme.set(
        button_primary_background_fill="#0b6b62",
        button_primary_background_fill_hover="#0e7f75",
        button_primary_text_color="#ffffff",
        button_primary_background_fill_dark="#0e7f75",
    )


def _system(name: str) -> gr.themes.Font:
    return gr.themes.Font(name)
