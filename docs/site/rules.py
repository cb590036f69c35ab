"""The rules by which `imtrans init` plans, as a table."""

from imtrans.drafting.rules import DATA, LOSSES, NETWORKS, TRAIN, VALIDATE, Rule
from imtrans.recipe import toml

PARTS = {
    "Data": DATA,
    "Method and networks": NETWORKS,
    "Losses": LOSSES,
    "Training": TRAIN,
    "Validation": VALIDATE,
}


def rules() -> str:
    """A table for each part of a recipe; of the rows of one key the first that holds decides."""
    return "\n\n".join(_table(title, part) for title, part in PARTS.items())


def _table(title: str, part: tuple[Rule, ...]) -> str:
    rows = [
        f"| `{rule.key}` | {_case(rule, part)} | {_value(rule)} | {rule.source} |" for rule in part
    ]
    return "\n".join(
        [f"### {title}\n", "| key | when | value | source |", "|---|---|---|---|", *rows]
    )


def _case(rule: Rule, part: tuple[Rule, ...]) -> str:
    """When it holds, in words; of the last of several rows of a key `otherwise`."""
    alone = sum(other.key == rule.key for other in part) == 1
    return "otherwise" if rule.case.words == "always" and not alone else rule.case.words


def _value(rule: Rule) -> str:
    if rule.value is None:
        return "left out"
    if callable(rule.value):
        return rule.calculated
    return f"`{toml.dumps({'k': rule.value}).removeprefix('k = ').strip()}`"
