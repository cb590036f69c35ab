"""Parts of the page in HTML: what a run is, the drawing board, what becomes of a drawing."""

import base64
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from pathlib import Path

import gradio as gr
from PIL import Image

from imtrans.serving.drawing import Drawing
from imtrans.serving.served import Served

HERE = Path(__file__).parent
WIDE = 1200  # px: of a sample that is shown
# Nothing of a run may be in a template: gradio evaluates templates, and a title is anybody's text.
OUTPUT = """<figure class="output">
<div class="frame"><img alt="" hidden><p class="hint">The output appears here as you draw.</p></div>
<figcaption><span class="title"></span><a class="save" hidden>Save</a></figcaption>
<p class="remark" hidden></p>
</figure>"""


def heading(runs: Sequence[Served]) -> str:
    """The title of the page, and what goes in and comes out of each run."""
    if len(runs) == 1:
        title, lines = runs[0].title, [_facts(runs[0])]
    else:
        title = f"{len(runs)} runs side by side"
        lines = [f"<strong>{escape(run.title)}</strong> {_facts(run)}" for run in runs]
    titled = re.sub("`([^`]+)`", r"<code>\1</code>", escape(title))
    return f"<h1>{titled}</h1>" + "".join(f'<p class="facts">{line}</p>' for line in lines)


def _facts(run: Served) -> str:
    facts = [
        f"{run.takes} in, {run.makes} out",
        f"trained at {run.size[1]} x {run.size[0]} px",
        *(["has dropout"] if run.has_dropout else []),
        *([f"{run.nfe} network evaluations"] if run.nfe else []),
    ]
    return f"<code>{escape(run.name)}</code> {escape(' · '.join(facts))}"


def samples(runs: Sequence[Served]) -> str:
    """The newest sample of each run's training, if it has any."""
    found = []
    for run in runs:
        folder = run.folder / "samples"
        with suppress(OSError, ValueError, IndexError, Image.DecompressionBombError):
            newest = sorted(folder.glob("*.png"))[-1]
            found.append(
                f'<figure><img src="{_small(newest)}" alt="Samples of the training of '
                f'{escape(run.title)}: source, output, target"><figcaption>'
                f"{escape(run.title)}: source, output, target</figcaption></figure>"
            )
    return "".join(found)


def _small(path: Path) -> str:
    """A picture of this machine as a data URL."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    picture.thumbnail((WIDE, 4 * WIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def board(drawing: Drawing) -> gr.HTML:
    """The drawing board; its value is what is drawn, a PNG as a data URL."""
    return gr.HTML(
        value="",
        html_template='<div class="board"></div>',
        js_on_load=(HERE / "board_in_page.js").read_text("utf-8"),
        apply_default_css=False,
        padding=False,
        elem_id="board",
        label="Drawing",
        options={"width": drawing.width, "height": drawing.height, **drawing.palette.board()},
    )


def drawn_output(run: Served, drawing: Drawing, number: int, *, alone: bool) -> gr.HTML:
    """What a run makes of the drawing: its picture is replaced, never the element. The title of a
    run that is `alone` is that of the page."""
    return gr.HTML(
        value={"image": "", "text": ""},
        html_template=OUTPUT,
        js_on_load=(HERE / "output_in_page.js").read_text("utf-8"),
        apply_default_css=False,
        padding=False,
        elem_id=f"drawn-{number}",
        elem_classes="drawn",
        label="Output",
        run=run.name,
        title="Output" if alone else run.title,
        ratio=drawing.width / drawing.height,
    )
