"""Where a new recipe is written: checked before any work, as nothing may be lost then."""

import os
from pathlib import Path
from typing import Annotated

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.common import a_path

OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        parser=a_path,
        metavar="FILE",
        help="The recipe to write; by default NAME.toml here, NAME being the folder's or the "
        "experiment's.",
    ),
]


def check_place(path: Path) -> None:
    """Raise ImtransError where no recipe can be written."""
    if path.suffix != ".toml":
        raise ImtransError(f"'{path}': a recipe is a .toml file; name it so")
    if path.exists():
        raise ImtransError(f"{path}: is there already. choose another name with -o, or remove it")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise ImtransError(f"{folder}: is a file, so '{path}' cannot be below it")
    if not os.access(folder, os.W_OK):
        raise ImtransError(f"{folder}: no permission to write there")


def write(path: Path, text: str) -> None:
    """Write a recipe, with the folders that it is to be in."""
    from imtrans.host.files import write_whole

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
