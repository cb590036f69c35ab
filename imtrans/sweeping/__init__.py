"""Sweeps: variants of a recipe, trained with several seeds each, and the table that compares."""
