import sys

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.common import RecipeArgument, SetOption, console
from imtrans.cli.groups import CommandGroup
from imtrans.host.words import readable

recipes = typer.Typer(
    cls=CommandGroup,
    help="List the recipes, or show one.\n\nExample: `imtrans recipes show maps > my-maps.toml`",
    invoke_without_command=True,
)


@recipes.callback()
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()


@recipes.command(name="list")
def list_() -> None:
    """List the recipes: those in ./recipes first, then the packaged ones.

    Example: `imtrans recipes list`
    """
    from imtrans.cli.tables import print_table
    from imtrans.recipe import reading as all_recipes

    rows = []
    for name, path in all_recipes.available().items():
        try:
            recipe = all_recipes.read(path)
        except ImtransError as error:
            problem = f"cannot be read: {str(error).splitlines()[-1].strip()}"
            rows.append([name, problem, "", ""])
            continue
        tables = (recipe.generator, recipe.discriminator)
        networks = " + ".join(table.name for table in tables if table)
        rows.append([name, recipe.title, networks, str(recipe.train.epochs)])
    print_table(console(), ["recipe", "task", "networks", "epochs"], rows)


@recipes.command()
def show(recipe: RecipeArgument, set_: SetOption = None, resolved: bool = False) -> None:
    """Print a recipe; with --resolved, with every default filled in.

    Example: `imtrans recipes show facades > my-facades.toml`
    """
    from imtrans.recipe import reading as all_recipes

    if resolved or set_:
        text = all_recipes.dumps(all_recipes.read(recipe, set_ or ()))
    else:
        text = all_recipes.text_of(all_recipes.find(recipe))
    # A file gets the recipe byte for byte; a terminal would obey what is hidden in it.
    typer.echo(readable(text) if sys.stdout.isatty() else text, nl=False)
