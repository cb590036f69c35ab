"""The first lines of a card: YAML that a hub reads.

https://huggingface.co/docs/hub/model-cards
"""

import json
import re
from collections.abc import Iterator

from imtrans.api.errors import ImtransError
from imtrans.host.words import is_shown
from imtrans.runs.card.facts import Facts
from imtrans.runs.sharing import last_name

UNKNOWN = "unknown"  # as hubs call a licence that nobody has named
LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}")


def license_id(text: str | None) -> str:
    """The id of a licence as hubs have it: in lower case. Raises ImtransError."""
    found = (text or UNKNOWN).lower()
    if not LICENSE.fullmatch(found):
        raise ImtransError(
            f"no licence '{text}': the id of one is expected, as in apache-2.0, mit, cc-by-4.0"
        )
    return found


def front_matter(facts: Facts, license: str) -> str:
    """YAML between two lines of dashes."""
    return "\n".join(["---", *_lines(facts, license), "---"])


def _lines(facts: Facts, license: str) -> Iterator[str]:
    recipe = facts.recipe
    yield "library_name: imtrans"
    yield "pipeline_tag: image-to-image"
    yield f"license: {in_yaml(license)}"
    yield "tags:"
    networks = [recipe.generator.name] if recipe.generator else []
    for tag in dict.fromkeys(["image-to-image", recipe.method.name, *networks]):
        yield f"- {in_yaml(tag)}"
    if facts.measured:
        yield "metrics:"
        yield from (f"- {in_yaml(name)}" for name in facts.measured)
    yield "model-index:"
    yield f"- name: {in_yaml(facts.name)}"
    yield from _results(facts)


def _results(facts: Facts) -> Iterator[str]:
    if not facts.measured:
        yield "  results: []"
        return
    data = in_yaml(last_name(facts.recipe.data.root))
    yield "  results:"
    yield "  - task:"
    yield "      type: image-to-image"
    yield "    dataset:"
    yield f"      name: {data}"
    yield f"      type: {data}"
    yield "      split: validation"
    yield "    metrics:"
    for name, value in facts.measured.items():
        yield f"    - type: {in_yaml(name)}"
        yield f"      value: {json.dumps(value)}"
        yield f"      name: {in_yaml(f'{name} at step {facts.measured_step}')}"


def in_yaml(text: str) -> str:
    """A text in double quotes: JSON's are YAML's, with the same escapes."""
    whole = text.encode("utf-8", "replace").decode()  # a name that is not UTF-8 has half letters
    return "".join(
        letter if is_shown(letter) else f"\\U{ord(letter):08x}"
        for letter in json.dumps(whole, ensure_ascii=False)
    )
