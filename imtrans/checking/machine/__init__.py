"""Checks of this machine: what it has, what is missing, and which settings suit it."""
