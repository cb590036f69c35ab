"""Recipes from the options that pytorch-CycleGAN-and-pix2pix writes beside its weights."""
