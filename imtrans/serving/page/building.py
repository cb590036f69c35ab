"""The page and the API, put together: what is on it, and which call each part makes."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from imtrans.serving.calls import Calls, said
from imtrans.serving.drawing import Drawing
from imtrans.serving.limits import Limits
from imtrans.serving.page import parts
from imtrans.serving.page.components import FileUpload, ImageUpload
from imtrans.serving.served import Served

# All that a network computes for waits in one queue, and goes one by one.
MODEL: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
NO_ARGUMENTS = "not the arguments of this call, all of them and in order; see /gradio_api/info"
ANY_SEED = "() => String(Math.floor(Math.random() * 1000))"
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def page(runs: Sequence[Served], drawing: Drawing | None, calls: Calls) -> gr.Blocks:
    """The blocks of a server; `drawing` is what can be drawn for its runs, if anything can."""
    title = runs[0].title if len(runs) == 1 else "imtrans"
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=False) as blocks:
        with gr.Row(elem_id="head"):
            gr.HTML(parts.heading(runs), elem_id="heading", padding=False, scale=6, min_width=280)
            seed, nfe = _choices(runs)
        with gr.Tabs():
            if drawing:
                with gr.Tab("Draw", id="draw"):
                    _draw(runs, drawing, calls, seed, nfe)
            with gr.Tab("Photograph" if runs[0].is_eight_bit else "File", id="picture"):
                _picture(runs, calls, seed, nfe)
            with gr.Tab("Batch", id="batch"):
                _batch(runs, calls, seed, nfe)
        _about(runs)
        _api(calls)
    _explain_arguments(blocks)
    blocks.queue(max_size=calls.limits.waiting, default_concurrency_limit=1, api_open=False)
    return blocks


def _explain_arguments(blocks: gr.Blocks) -> None:
    """Arguments that gradio cannot read are a line for the client too."""
    read = blocks.preprocess_data

    async def explained(*given: Any, **more: Any) -> Any:
        try:
            return await read(*given, **more)
        except gr.Error:
            raise
        except Exception:
            raise gr.Error(NO_ARGUMENTS, print_exception=False) from None

    blocks.preprocess_data = explained  # type: ignore[method-assign]


def _choices(runs: Sequence[Served]) -> tuple[gr.Textbox, gr.Textbox]:
    """The seed and the number of network evaluations, shown where a run has a use for them. Texts,
    because a number is never empty on the page."""
    samples, steps = any(run.samples for run in runs), {run.nfe: None for run in runs if run.nfe}
    drops = any(run.has_dropout for run in runs)
    way: dict[str, Any] = {"min_width": 120, "max_lines": 1, "scale": 1}
    nfe = gr.Textbox(
        label="Evaluations", placeholder=", ".join(map(str, steps)), elem_id="nfe",
        visible=bool(steps), **way,
    )  # fmt: skip
    seed = gr.Textbox(
        label="Seed", placeholder="no dropout" if drops else "0", elem_id="seed",
        visible=samples, **way,
    )  # fmt: skip
    again = gr.Button(
        "Another seed", visible=samples, elem_id="again", scale=0, min_width=130, size="md"
    )
    again.click(None, None, seed, js=ANY_SEED, **PRIVATE)
    return seed, nfe


def _draw(
    runs: Sequence[Served], drawing: Drawing, calls: Calls, seed: gr.Textbox, nfe: gr.Textbox
) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            board = parts.board(drawing)
        with gr.Column(min_width=280):
            alone = len(runs) == 1
            outputs = [
                parts.drawn_output(run, drawing, at, alone=alone) for at, run in enumerate(runs)
            ]
    inputs: list[Any] = [board, seed, nfe]
    way: dict[str, Any] = {**PRIVATE, **MODEL, "trigger_mode": "always_last"}
    gr.on([board.input, seed.change, nfe.change], calls.draw, inputs, outputs, **way)


def _picture(runs: Sequence[Served], calls: Calls, seed: gr.Textbox, nfe: gr.Textbox) -> None:
    image: gr.Image | gr.File
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            if all(run.is_eight_bit for run in runs):
                image = ImageUpload(
                    sources=["upload", "webcam", "clipboard"], type="filepath", label="Source",
                    elem_id="source", height=420, webcam_options=gr.WebcamOptions(mirror=False),
                )  # fmt: skip
            else:
                image = FileUpload(label="Source", elem_id="source", type="filepath")
        outputs: list[Any] = []
        with gr.Column(min_width=280):
            for at, run in enumerate(runs):
                slider = gr.ImageSlider(
                    label="Source and output" if len(runs) == 1 else run.title,
                    type="filepath", interactive=False,
                    elem_id=f"slider-{at}", slider_position=50, buttons=["fullscreen"],
                    max_height=420,
                )  # fmt: skip
                exact = gr.File(
                    label="The exact file", interactive=False, elem_id=f"exact-{at}", height=90
                )
                outputs += [slider, exact, gr.HTML(elem_id=f"said-{at}", padding=False)]
    inputs: list[Any] = [image, seed, nfe]
    way: dict[str, Any] = {**PRIVATE, **MODEL, "trigger_mode": "always_last"}
    way["show_progress"] = "minimal"
    gr.on([image.change, seed.change, nfe.change], calls.compare, inputs, outputs, **way)


def _batch(runs: Sequence[Served], calls: Calls, seed: gr.Textbox, nfe: gr.Textbox) -> None:
    limits: Limits = calls.limits
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            files = FileUpload(
                label=f"Up to {limits.images} images, each up to {limits.megabytes}",
                file_count="multiple", type="filepath", elem_id="images", height=260,
            )  # fmt: skip
            names = [(run.title, run.name) for run in runs]
            run = gr.Dropdown(
                names, value=runs[0].name, label="Run", visible=len(runs) > 1, elem_id="run"
            )
            start = gr.Button("Translate", variant="primary", elem_id="start")
        with gr.Column(min_width=280):
            zipped = gr.File(label="Zip of the results", interactive=False, elem_id="zip")
            report = gr.HTML(elem_id="report", padding=False)

    def translated(*given: Any) -> tuple[str, str]:
        place, became = calls.batch(*given)
        lines = [f"{became['done']} translated", *became["skipped"]]  # type: ignore[misc]
        return place, "".join(map(said, lines))

    way: dict[str, Any] = {**PRIVATE, **MODEL, "show_progress": "minimal"}
    start.click(translated, [files, run, seed, nfe], [zipped, report], **way)


def _about(runs: Sequence[Served]) -> None:
    shown = parts.samples(runs)
    if shown:
        with gr.Accordion("Samples of the training", open=False):
            gr.HTML(shown, elem_id="samples", padding=False)


def _api(calls: Calls) -> None:
    """The endpoints for programs; their parts are not on the page."""
    with gr.Row(visible=False):
        facts, exact, zipped, became = gr.JSON(), gr.File(), gr.File(), gr.JSON()
        image = FileUpload(label="image", type="filepath")
        images = FileUpload(label="images", file_count="multiple", type="filepath")
        run, seed = gr.Textbox(None, label="run"), gr.Number(None, label="seed")
        nfe = gr.Number(None, label="nfe")
        buttons = [gr.Button(), gr.Button(), gr.Button()]
    way: dict[str, Any] = {"api_visibility": "public", **MODEL}
    choices = [run, seed, nfe]
    buttons[0].click(calls.runs, None, facts, api_name="runs", queue=True)
    buttons[1].click(calls.translate, [image, *choices], exact, api_name="translate", **way)
    buttons[2].click(calls.batch, [images, *choices], [zipped, became], api_name="batch", **way)
