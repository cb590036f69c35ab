"""Decoded, resized pairs on disk, so that each is decoded once and not once an epoch.

A cache is a folder of its own below `home()`, named by a fingerprint of the files and of all
settings that its pixels depend on. It is written beside and renamed: complete, or not there.
"""
