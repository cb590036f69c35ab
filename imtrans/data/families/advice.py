"""What to write into a recipe for a family of names."""

import json
from shlex import quote

from imtrans.data.families.find import Family


def advice(family: Family, root: str) -> str:
    """How to pair these files, in one line."""
    a, b = (json.dumps(side.pattern) for side in family.sides[:2])
    return (
        f'use layout = {{name = "folders", a = {a}, b = {b}}}, or let `imtrans init {quote(root)}` '
        "write the recipe"
    )
