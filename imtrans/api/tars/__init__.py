"""Pairs in tar files: where each member is, found once, and read by itself."""
