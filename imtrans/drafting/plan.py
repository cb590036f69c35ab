"""The rules, applied to the facts of a folder."""

from collections.abc import Iterable, Iterator
from typing import Any

from imtrans.drafting.choice import LOSS, Choice
from imtrans.drafting.rules import LOSSES, RULES, Rule
from imtrans.drafting.situation import Situation


def planned(facts: Situation) -> tuple[Situation, list[Choice]]:
    """What the rules choose, and the facts with all of it."""
    chosen: list[Choice] = []
    for key in dict.fromkeys(rule.key for rule in RULES):
        rule = first(facts, (rule for rule in RULES if rule.key == key))
        value = _value(rule, facts) if rule else None
        if rule is None or value is None:
            continue
        facts = facts.having(key, value)
        table, _, name = key.rpartition(".")
        chosen.append(Choice(table, name, value, rule.reason.format(f=facts)))
    return facts, [*chosen, *_losses(facts)]


def first(facts: Situation, rules: Iterable[Rule]) -> Rule | None:
    """The rule that decides: the first whose case is given."""
    return next((rule for rule in rules if rule.case.holds(facts)), None)


def _losses(facts: Situation) -> Iterator[Choice]:
    for rule in LOSSES:
        if rule.case.holds(facts):
            yield Choice(LOSS, "name", rule.key, rule.reason.format(f=facts))
            yield Choice(LOSS, "weight", rule.value, rule.source)


def _value(rule: Rule, facts: Situation) -> Any:
    return rule.value(facts) if callable(rule.value) else rule.value
