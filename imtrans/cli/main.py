"""The command line: `imtrans COMMAND`. Commands import torch inside themselves, never here."""

import io
import os
import sys
import traceback
from importlib.metadata import metadata

import typer

import imtrans
from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.cli.bench import bench
from imtrans.cli.card import card
from imtrans.cli.check import check
from imtrans.cli.common import complain
from imtrans.cli.compare import compare
from imtrans.cli.data import data
from imtrans.cli.data.fetch import fetch_hint
from imtrans.cli.doctor import doctor
from imtrans.cli.evaluate import evaluate
from imtrans.cli.export import export
from imtrans.cli.import_recipe import import_recipe
from imtrans.cli.import_weights import import_weights
from imtrans.cli.init import init
from imtrans.cli.inspect import inspect
from imtrans.cli.plugins import plugins
from imtrans.cli.push import push
from imtrans.cli.quickstart import quickstart
from imtrans.cli.recipes import recipes
from imtrans.cli.report import report
from imtrans.cli.runs import runs
from imtrans.cli.serve import serve
from imtrans.cli.sweep import sweep
from imtrans.cli.third_party import Commands
from imtrans.cli.train import train
from imtrans.cli.train_scorer import train_scorer
from imtrans.cli.translate import translate
from imtrans.host.foreign import is_overflow
from imtrans.host.ranks import Told, this_rank
from imtrans.host.words import readable

TOO_LARGE = (
    "not enough memory. use a smaller train.batch_size, data.crop_size or generator.width, "
    "or translate smaller images"
)

app = typer.Typer(
    name="imtrans",
    cls=Commands,
    help="Learn a picture-to-picture task from paired images, and apply it to folders.",
    epilog="New here? `imtrans quickstart demo` trains on pairs it draws itself, in minutes.",
    no_args_is_help=True,
    add_completion=True,  # imtrans --install-completion
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(init)
app.command()(train)
app.command()(translate)
app.command()(evaluate)
app.command()(compare)
app.command()(sweep)
app.command(name="train-scorer")(train_scorer)
app.command()(export)
app.command()(serve)
app.command()(check)
app.command()(doctor)
app.add_typer(data, name="data")
app.add_typer(bench, name="bench")
app.add_typer(runs, name="runs")
app.add_typer(recipes, name="recipes")
app.add_typer(plugins, name="plugins")
app.command()(inspect)
app.command()(report)
app.command()(card)
app.command()(push)
app.command(name="import-weights")(import_weights)
app.command(name="import-recipe")(import_recipe)
app.command()(quickstart)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"imtrans {imtrans.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line; a mistake that the user can mend is one message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no umlaut ends no command
    try:
        if this_rank().leads or _is_shared(sys.argv[1:]):
            app()
    except Told:
        sys.exit(2)
    except ImtransError as error:
        _fail(f"{error}{fetch_hint(error)}", 2)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of `| head` is gone; so that Python's own flush at the end does not complain:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{(error.strerror or str(error)).lower()}", 2)

    except Exception as error:
        if is_out_of_memory(error) or is_overflow(error):
            _fail(TOO_LARGE, 2)
        _fail_by_mistake()


def _is_shared(words: list[str]) -> bool:
    """Whether all processes of torchrun do this command together; any other is rank 0's."""
    return words[:1] in (["train"], ["translate"], ["evaluate"]) or words[:2] == ["bench", "ranks"]


def _fail_by_mistake() -> None:
    """A fault of the program: all that is needed to find it, and where to report it."""
    print(readable(traceback.format_exc()), file=sys.stderr, end="")
    facts = metadata("imtrans")
    pages = dict(page.split(", ", 1) for page in facts.get_all("Project-URL") or ())
    where = pages.get("Issues") or next(iter(pages.values()), "")
    at = f" at {where}," if where else ""
    _fail(f"a bug in imtrans or a plugin. please report it{at} with the text above", 1)


def _fail(message: str, code: int) -> None:
    complain(f"error: {message}")
    sys.exit(code)
