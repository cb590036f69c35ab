"""The Markdown of a card."""

import hashlib
import re
from collections.abc import Iterator

from imtrans.data.pixels.formats.stored import BITS
from imtrans.host.words import counted, plain
from imtrans.recipe.reading import described
from imtrans.recipe.side_table import SideTable
from imtrans.recipe.sizes import px
from imtrans.runs.card.facts import Facts
from imtrans.runs.card.front_matter import UNKNOWN, front_matter, license_id
from imtrans.runs.measurements import Series
from imtrans.runs.sharing import last_name, shareable_recipe

SEAL = re.compile(r"\n<!-- written by imtrans card, ([0-9a-f]{16}) -->\n$")


def card(facts: Facts, *, license: str | None = None, repository: str = "") -> str:
    """The card of a run as Markdown, whose first lines are YAML. `repository`, OWNER/NAME, is where
    it will be. Raises ImtransError where `license` is no id."""
    licensed = license_id(license)
    repository = repository or f"OWNER/{facts.name}"
    parts = [
        front_matter(facts, licensed),
        f"# {_line(facts.recipe.title or facts.name)}",
        "\n".join(_task(facts)),
        "## How to use it",
        _use(facts, repository),
        "## Data",
        "\n".join(_data(facts)),
        "## Metrics",
        "\n".join(_metrics(facts)),
        "## Training",
        "\n".join(_training(facts)),
        "## Recipe",
        "Paths are shortened to their last name.",
        _fenced(shareable_recipe(facts.recipe), "toml"),
        "## Limits",
        "\n".join(_limits(facts)),
        "## Licence",
        _licence(licensed),
    ]
    text = "\n\n".join(parts) + "\n"
    return f"{text}\n<!-- written by imtrans card, {_sum(text)} -->\n"


def is_as_written(text: str) -> bool:
    """Whether a card is as `card` wrote it: nobody has edited it since."""
    text = text.replace("\r\n", "\n")
    found = SEAL.search(text)
    return found is not None and found[1] == _sum(text[: found.start()])


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _task(facts: Facts) -> Iterator[str]:
    recipe = facts.recipe
    kind = "pairs" if recipe.data.derive is None else "photographs"
    yield f"Translates images into images. Trained with imtrans on {kind}: {described(recipe)}."
    if recipe.reference:
        yield f"\nReference: {_line(recipe.reference)}"


def _use(facts: Facts, repository: str) -> str:
    install = " ".join(['pip install "imtrans[hub]"', *facts.header.plugins.values()])
    address = f"hf://{repository}"
    shell = f"{install}\nimtrans translate --checkpoint {address} photos/"
    python = (
        f'import imtrans\n\ntranslator = imtrans.load("{address}")\n'
        'translator("photo.png").save("translated.png")'
    )
    return f"{_fenced(shell, 'bash')}\n\n{_fenced(python, 'python')}"


def _data(facts: Facts) -> Iterator[str]:
    data = facts.recipe.data
    yield f"- data set: {_line(last_name(data.root))}, layout `{data.layout.name}`"
    if data.derive:
        yield f"- the sources are made from photographs, by `{data.derive.name}`"
    else:
        yield f"- direction: {data.direction}"
        yield f"- source: {_side(data.source)}"
    yield f"- target: {_side(data.target)}"
    if facts.pairs:
        yield f"- trained on {'at most ' if facts.about else ''}{counted(facts.pairs, 'pair')}"
    saw = f", of which training saw crops of {px(data.crop_size)}"
    crops = "" if data.load == data.crop else saw
    yield f"- files are resized to {px(data.load_size or data.crop_size)}{crops}"
    if scale := facts.header.scale:
        yield f"- in translation: {scale}"


def _side(side: SideTable) -> str:
    kind = {1: "grey", 3: "RGB"}.get(side.channels, f"{side.channels} channels")
    classes = f", {len(side.classes)} label colours" if side.classes else ""
    span = f", {side.range[0]:g} to {side.range[1]:g}" if side.range else ""
    return f"{kind}, {BITS[side.dtype]}{span}{classes}"


def _metrics(facts: Facts) -> Iterator[str]:
    if not facts.metrics:
        yield "Nothing was measured on validation pairs, or it is not known here."
        return
    known, step = facts.validation_pairs, facts.header.step
    most = counted(facts.recipe.validation.pairs, "validation pair")
    pairs = counted(known, "validation pair") if known else f"up to {most}"
    yield f"Measured on {pairs}, which were not trained on. These numbers compare only with"
    yield f"others of the same pairs at the same size. The weights here are of step {step}."
    yield ""
    yield "| metric | last | at step | best | at step |"
    yield "|---|---|---|---|---|"
    yield from (_row(name, series) for name, series in facts.metrics.items())


def _row(name: str, series: Series) -> str:
    best = ("-", "-") if series.best is None else (f"{series.best:.4g}", str(series.best_step))
    cells = (_line(name), f"{series.last:.4g}", str(series.last_step), *best)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _training(facts: Facts) -> Iterator[str]:
    header, train = facts.header, facts.recipe.train
    if header.step:
        epochs = f"{counted(max(header.epoch - 1, 0), 'epoch')} of {train.epochs}"
        yield f"- {counted(header.step, 'step')}, {epochs}, batches of {train.batch_size}"
    else:
        yield "- not trained here: the weights were imported"
    known = {name: header.facts.get(name) for name in ("imtrans", "torch")}
    versions = [f"{name} {_line(version)}" for name, version in known.items() if version]
    if versions:
        yield f"- written by {', '.join(versions)}"


def _limits(facts: Facts) -> Iterator[str]:
    yield "- It has learned from the data above, and from nothing else: of pictures of another"
    yield "  kind, another scale or another camera its results may mean nothing."
    yield "- What a source does not determine is made up, and looks as likely as the rest. Do not"
    yield "  measure or diagnose on results before you have measured them on pairs of your own."
    if scale := facts.header.scale:
        if scale.smallest:
            yield f"- It has seen {scale.seen}."


def _licence(licensed: str) -> str:
    if licensed == UNKNOWN:
        return "No licence has been named. Ask who published this before you use it."
    return f"{licensed}"


def _line(text: str) -> str:
    """A text of a recipe on one line, which Markdown shows and does not obey."""
    return re.sub(r"([<>\[\]`*|\\])", r"\\\1", plain(" ".join(text.split()), 300))


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
