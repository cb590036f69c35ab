"""What can be known of pairs before a training spends hours on them.

`whole.check` opens every picture once and judges each family of findings: files, shapes, values,
copies, labels, and whether the two sides belong together. `whole.quick` reads headers only.
"""
