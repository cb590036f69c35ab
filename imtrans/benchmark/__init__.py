"""Measurements of training on this machine, each against something: plain, another size, a rate."""
