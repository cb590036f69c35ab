"""Fetch the published sets of pairs: over the network, with suspicion, complete or not at all."""
