import typer

from imtrans.cli.common import DeviceOption, RecipeArgument, SetOption, console, installed


def check(recipe: RecipeArgument, set_: SetOption = None, device: DeviceOption = None) -> None:
    """Check a recipe, its components and its data, and take one step; nothing is trained or kept.

    Example: `imtrans check recipes/facades.toml`
    """
    from imtrans.checking.finding import Finding
    from imtrans.checking.recipe import check as findings
    from imtrans.cli.findings import any_error, print_line
    from imtrans.recipe import reading as recipes
    from imtrans.task import Task

    out = console()
    catalog = installed()
    path = recipes.find(recipe)
    resolved = recipes.read(path, set_ or (), catalog)
    found = [Finding("recipe", str(path))]
    print_line(out, found[0])
    for finding in findings(Task(resolved, catalog), device):
        found.append(finding)
        print_line(out, finding)
    raise typer.Exit(2 if any_error(found) else 0)
