"""Diffusion bridges for imtrans: a path of noise from the source to the target, and back.

`process` says what lies between the two, `network` learns to see the target through it, `sampler`
goes from a source to a target, and `method` is the training.
"""
