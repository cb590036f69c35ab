"""A video through a translator: its frames in order, at their times, with its sound.

Needs PyAV, the extra `video`, which brings FFmpeg's libraries.
"""
