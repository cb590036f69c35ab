from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.api.errors import ImtransError, quoted
from imtrans.cli import completion
from imtrans.cli.common import DeviceOption, echo, not_empty
from imtrans.cli.translate_options import BestOption
from imtrans.recipe.naming import RUNS

if TYPE_CHECKING:
    from imtrans.serving.served import Served
    from imtrans.serving.server import Endpoint

FEW = 4  # runs that are served without being named
SERVER = "Server"
LIMITS = "Limits"


def serve(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            parser=not_empty,
            metavar="[RUN]...",
            help="Runs, recipes or checkpoints, as `translate` takes them; by default those in "
            "runs/.",
            autocompletion=completion.runs,
        ),
    ] = None,
    best: BestOption = False,
    host: Annotated[
        str,
        typer.Option(
            parser=not_empty,
            metavar="ADDRESS",
            help="Where to listen; 0.0.0.0 is every network of this machine.",
            rich_help_panel=SERVER,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=1, max=65535, rich_help_panel=SERVER)
    ] = 7860,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="USER:PASSWORD",
            help="Who may use it. @FILE reads that from a file, and IMTRANS_SERVE_AUTH is the same "
            "as an environment variable: arguments are seen by all users of this machine.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Of one image; by default the recipe's limit.",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    max_mb: Annotated[
        int,
        typer.Option(
            "--max-mb", metavar="N", min=1, max=4096, help="Of one file.", rich_help_panel=LIMITS
        ),
    ] = 64,
    queue: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            max=10_000,
            help="Requests that wait at most; more are refused.",
            rich_help_panel=LIMITS,
        ),
    ] = 32,
    device: DeviceOption = None,
) -> None:
    """Serve runs: a page to draw, upload or photograph a source and see the output, and an API.

    Several runs are shown side by side, for the same source. Nothing is sent to another machine,
    and only this machine reaches the page unless --host says otherwise. Programs call `translate`,
    `batch` and `runs` with `gradio_client` or curl. It needs `pip install "imtrans[serve]"`.

    Example: `imtrans serve my-task`
    """
    from imtrans.serving.access import Access, user_and_password
    from imtrans.serving.limits import MB, Limits
    from imtrans.serving.loading import drawing_for, load_served
    from imtrans.serving.server import Endpoint, check_installed, listening_at
    from imtrans.serving.server import serve as serve_runs

    check_installed()
    named = [(run, _place(run)) for run in runs or _few_runs()]
    access, address = Access(user_and_password(auth)), Endpoint(host, port)
    with listening_at(address) as listening:
        served = load_served(named, best=best, device=device, max_pixels=max_pixels)
        if access.is_open and not address.is_local:
            echo(
                f"warning: everybody who reaches {host} can use this server; --auth asks for a "
                "password",
                err=True,
            )
        ready = partial(_say_ready, served, address)
        limits = Limits(file_bytes=max_mb * MB, waiting=queue)
        drawing = drawing_for(served)
        serve_runs(served, drawing, listening, address, access, limits, ready)
    echo("stopped")


def _say_ready(served: list["Served"], address: "Endpoint") -> None:
    names = ", ".join(one.name for one in served)
    echo(f"serving {names} at {address.url}; Ctrl-C ends it")


def _few_runs() -> list[str]:
    """Those in runs/, where they are few. Raises ImtransError."""
    from imtrans.runs.listing import find_runs, newest_whole

    found = [run for run in find_runs(RUNS) if newest_whole(run)] if RUNS.is_dir() else []
    if not found:
        raise ImtransError(
            f"which run? nothing trained is in {RUNS}/. name a run, a recipe or a checkpoint"
        )
    if len(found) > FEW:
        names = [run.relative_to(RUNS).as_posix() for run in found[:10]]
        raise ImtransError(f"which of {len(found)} runs? name some of {quoted(names)}")
    return [str(run) for run in found]


def _place(named: str) -> str | Path:
    """Where a run is that was named as for `translate`. Raises ImtransError."""
    from imtrans.cli.trained import trained

    is_file = Path(named).is_file() and not named.endswith(".toml")
    if is_file or named.startswith("hf://"):
        return trained(None, named, False, "generator")[1]
    return trained(named, None, False, "generator")[1]
