import typer

from imtrans.cli.common import DeviceOption, RecipeArgument, SetOption, console, installed


def check(recipe: RecipeArgument, set_: SetOption = None, device: DeviceOption = None) -> None:
    """Check a recipe, its components and its data, and take one step; nothing is trained or kept.

    Example: `imtrans check recipes/facades.toml`
    """
    from imtrans.checking.recipe import check as findings
    from imtrans.recipe import reading as recipes
    from imtrans.task import Task

    out = console()
    catalog = installed()
    path = recipes.find(recipe)
    resolved = recipes.read(path, set_ or (), catalog)
    out.print(f"[green]ok[/]     recipe      {path}", soft_wrap=True)
    failed = False
    for finding in findings(Task(resolved, catalog), device):
        failed |= finding.wrong
        mark = "[red]wrong[/] " if finding.wrong else "[green]ok[/]    "
        out.print(f"{mark} {finding.subject:<11} ", end="")
        out.print(finding.said, soft_wrap=True, markup=False)
    raise typer.Exit(2 if failed else 0)
