"""Checks of a data set before a training spends hours on it.

`run_checks.run_checks` decodes every picture once and runs every check: files, shapes, values,
copies, labels, and whether the two sides of each pair belong together.
`run_checks.check_headers` reads headers only.
"""
