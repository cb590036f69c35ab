"""A model card: what a run is, for people who did not train it, in the form that hubs read."""

from imtrans.runs.card.facts import facts_of
from imtrans.runs.card.text import card

__all__ = ["card", "facts_of"]
