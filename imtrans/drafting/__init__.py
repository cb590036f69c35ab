"""Drafting a recipe for a folder of pictures, with a reason for every choice."""
