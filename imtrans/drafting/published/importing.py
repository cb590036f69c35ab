"""A recipe from the options of an experiment, and what a person should hear of it."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError, did_you_mean
from imtrans.drafting.choice import Choice, recipe_text
from imtrans.drafting.published.flags import DEFAULTS, FLAGS, MODELS, Flag
from imtrans.drafting.published.option_file import Given, read_options
from imtrans.drafting.published.options import Options, Refused
from imtrans.host.words import counted, plain
from imtrans.recipe.reading import report

CODE = "pytorch-CycleGAN-and-pix2pix"
NAMES = {known: flag.name for flag in FLAGS for known in flag.known_as}


@dataclass(frozen=True)
class ImportedOptions:
    """What became of a file of options."""

    path: Path
    options: Options
    choices: tuple[Choice, ...]
    notes: tuple[str, ...]  # what means something else, or cannot be said
    left: Mapping[str, Sequence[str]]  # flags that a recipe has no need of, by the reason

    @property
    def opening(self) -> str:
        return f"{self.path}: {counted(len(self.options.given), 'option')} of {CODE}"

    @property
    def text(self) -> str:
        """The recipe as TOML, with what could not be said as comments at its end."""
        opening = f"{self.opening}. Behind each key is the flag that it comes from."
        return recipe_text(opening, self.choices) + "".join(self._comments())

    def _comments(self) -> Iterator[str]:
        if not self.notes:
            return
        yield "\n# What means something else here, or has no key:\n"
        for note in self.notes:
            rows = textwrap.wrap(plain(note, 2000), 94, break_on_hyphens=False)
            yield "".join(f"# {'-' if n == 0 else ' '} {row}\n" for n, row in enumerate(rows))


def import_options(path: Path, root: str | None = None) -> ImportedOptions:
    """The options of an experiment as a recipe; `root` is the folder of its pictures now.

    Raises ImtransError with all that no recipe can express, each with its line.
    """
    path, rows = read_options(path)
    given, places, unknown = _known(path, rows)
    model = given.get("model", "test" if _is_of_a_test(given) else DEFAULTS["model"])
    defaults = DEFAULTS | {"model": model} | MODELS.get(model, {})
    if _is_of_a_test(given):
        defaults["load_size"] = given.get("crop_size", defaults["crop_size"])
    options = Options(given, defaults, root or given.get("dataroot", ""))
    problems: list[Refused] = []
    choices = tuple(_choices(options, problems))
    if problems:
        raise ImtransError(report(str(path), _placed(problems, places)))
    notes = tuple(_notes(options, unknown))
    return ImportedOptions(path, options, choices, notes, _left(options))


def _known(
    path: Path, rows: Sequence[Given]
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """The options by today's names, their places, and those that the code does not have."""
    given: dict[str, str] = {}
    places: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for name, value, place in rows:
        today = NAMES.get(name, name)
        if today in places:
            also = f", there as '{name}'" if name != today else ""
            raise ImtransError(f"{path}: '{today}' is given twice, again in {place}{also}")
        places[today] = place
        (given if name in NAMES else unknown)[today] = value
    if not given:
        raise ImtransError(f"{path}: no option of {CODE} in it, as 'batch_size' or 'netG'")
    return given, places, unknown


def _is_of_a_test(given: Mapping[str, str]) -> bool:
    return given.get("isTrain") == "False" or bool({"num_test", "ntest", "eval"} & given.keys())


def _placed(problems: Sequence[Refused], places: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each problem once, behind the place of the flag that it begins with."""
    rows = []
    for problem in dict.fromkeys(map(str, problems)):
        flag = problem.split()[0].removeprefix("--")
        rows.append((places.get(flag, "default"), problem))
    return rows


def _choices(options: Options, problems: list[Refused]) -> Iterator[Choice]:
    for flag in FLAGS:
        if flag.how is None or not _concerns(flag, options) or not _says(flag, options):
            continue
        try:
            value = flag.how(options, flag.name)
        except Refused as error:
            problems.append(error)
            continue
        if value is not None:
            yield from _written(flag.key, value, _comment(flag, options))


def _concerns(flag: Flag, options: Options) -> bool:
    return not flag.models or options.model in flag.models


def _says(flag: Flag, options: Options) -> bool:
    """Whether an option has a value, be it by default."""
    return flag.name in (*options.given, *options.defaults, "dataroot")


def _written(key: str, value: Any, comment: str) -> Iterator[Choice]:
    if isinstance(value, dict):
        for inner, each in value.items():
            yield Choice(key, inner, each, comment if inner == "name" else "")
        return
    table, _, name = key.rpartition(".")
    yield Choice(table, name, value, comment)


def _comment(flag: Flag, options: Options) -> str:
    """The flags that a key comes from, with their values."""
    aside = [
        name
        for name in flag.aside
        if name in options.given and options.given[name] != options.defaults.get(name)
    ]
    # Of a key that an older flag is for, that one alone.
    own = [] if aside and flag.name not in options.given else [flag.name, *flag.also]
    return ", ".join(_as_given(name, options) for name in (*own, *aside))


def _as_given(name: str, options: Options) -> str:
    default = "" if name in options.given else ", by default"
    return f"--{name} {options.value(name)}{default}"


def _notes(options: Options, unknown: Mapping[str, str]) -> Iterator[str]:
    yield from options.notes
    if _is_of_a_test(options.given) and options.model != "test":
        yield (
            "a file of a test: what training alone has is that code's default here, and sizes are "
            "those of the test. train_opt.txt beside it has all of them"
        )
    for flag in FLAGS:
        value = options.given.get(flag.name)
        if flag.how is None and flag.usual and value is not None and value not in flag.usual:
            yield f"--{flag.name} {value}: {flag.remark}"
    for name, value in unknown.items():
        near = did_you_mean(name, NAMES)
        yield f"--{name} {value}: no option of the published code{near}; it was left out"


def _left(options: Options) -> dict[str, list[str]]:
    """The flags that mean nothing to a recipe, by the reason."""
    left: dict[str, list[str]] = {}
    for flag in FLAGS:
        if flag.name not in options.given:
            continue
        if flag.how is None and flag.usual is None:
            left.setdefault(flag.remark, []).append(flag.name)
        elif not any(_concerns(row, options) for row in FLAGS if row.name == flag.name):
            why = f"--model {options.model} does not use it"
            left.setdefault(why, []).append(flag.name)
    return left
