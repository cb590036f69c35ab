import re
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.cli.common import a_path, console, installed, not_empty, say, say_wrapped
from imtrans.cli.new_recipe import OutputOption, check_place, write

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.drafting.published.importing import ImportedOptions
    from imtrans.recipe.schema import Recipe


def import_recipe(
    file: Annotated[
        Path,
        typer.Argument(
            parser=a_path,
            metavar="FILE",
            help="train_opt.txt, the folder that holds it, or a file with a command's flags.",
        ),
    ],
    output: OutputOption = None,
    root: Annotated[
        str | None,
        typer.Option(
            parser=not_empty, metavar="DIR", help="Where the pictures are now, not --dataroot."
        ),
    ] = None,
) -> None:
    """Convert the options of the published PyTorch pix2pix or CycleGAN to a recipe.

    That code writes them beside its weights, as checkpoints/NAME/train_opt.txt. Each key of the
    recipe has the flag that it comes from as a comment; what means something else here, and what
    has no key, is said. A file of a shell command with its flags does too.

    Example: `imtrans import-recipe checkpoints/facades_pix2pix/train_opt.txt -o facades.toml`
    """
    from imtrans.drafting.published.importing import import_options
    from imtrans.recipe import reading as recipes

    imported = import_options(file, root)
    path = output or Path(f"{_file_name(imported)}.toml")
    check_place(path)
    recipe = recipes.parse(imported.text, str(path), catalog=installed())
    write(path, imported.text)
    _report(console(), imported, recipe, path)


def _file_name(imported: "ImportedOptions") -> str:
    name = re.sub(r"[^\w.-]+", "-", imported.options.value("name")).strip(".-")
    return name or "imported"


def _report(out: "Console", imported: "ImportedOptions", recipe: "Recipe", path: Path) -> None:
    """What it became, what is different, what was left out, and what to type next."""
    from imtrans.recipe.reading import described

    say(out, imported.opening)
    say(out, f"  {described(recipe)}")
    for note in imported.notes:
        say_wrapped(out, f"note: {note}")
    for reason, flags in imported.left.items():
        say_wrapped(out, f"left out: {', '.join(flags)} ({reason})")
    say(out, f"written to {path}, with the flag behind each key. next:")
    if not Path(recipe.data.root).is_dir():
        say(out, f"  put the pictures at {recipe.data.root}, or change data.root")
    say(out, f"  imtrans check {quote(str(path))}")
    if weights := _weights(imported.path.parent):
        files = " ".join(quote(str(each)) for each in weights)
        folder = quote(f"{path.stem}-published")
        say(
            out,
            f"  imtrans import-weights {files} --recipe {quote(str(path))} --output {folder}",
        )
    say(out, f"  imtrans train {quote(str(path))}")


def _weights(folder: Path) -> list[Path]:
    """The newest weights beside the options that import-weights takes."""
    paired = [folder / f"latest_net_{network}.pth" for network in ("G", "D")]
    unpaired = [folder / f"latest_net_{network}.pth" for network in ("G_A", "G_B")]
    return [path for path in (paired if paired[0].is_file() else unpaired) if path.is_file()]
