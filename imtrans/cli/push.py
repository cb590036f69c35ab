from typing import Annotated

import typer

from imtrans.cli.card import BestOption, LicenseOption, NamedRun
from imtrans.cli.common import console, echo, say


def push(
    run: NamedRun,
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="The repository; made if there is none.")
    ],
    best: BestOption = False,
    license: LicenseOption = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make a repository that only you can see.")
    ] = False,
    message: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the hub's history says of it.")
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Replace a card that was edited on the hub, too.")
    ] = False,
) -> None:
    """Upload a run's translators to a hub, with their recipe, checksums and card.

    To huggingface.co, or the hub at HF_ENDPOINT; the token is that of `hf auth login` or HF_TOKEN.
    Neither discriminator nor training state is uploaded, and of every path in the recipe only the
    last name. Needs the extra: `pip install "imtrans[hub]"`.

    Example: `imtrans push runs/maps OWNER/maps --license apache-2.0`
    """
    from imtrans.runs.hub.push import push as upload

    done = upload(
        run,
        repository,
        best=best,
        private=private or None,
        message=message,
        license=license,
        overwrite_card=card,
    )
    if done.kept_card:
        echo("note: the card there was edited and is kept; --card replaces it", err=True)
    say(console(), f"{', '.join(done.files)}")
    say(console(), done.url)
