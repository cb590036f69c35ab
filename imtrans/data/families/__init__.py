"""Families of names: images that come in pairs by their names, as 1_he.png and 1_ihc.png."""
