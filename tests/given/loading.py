"""A recipe's pairs as training reads them: from files, and from a cache."""

import torch

from imtrans.data.cache.obtain import obtain
from imtrans.data.draws import Order
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task


class Loading:
    """A recipe's pairs, from files and from a cache."""

    def __init__(self, file, *overrides):
        self.recipe = recipes.read(file, overrides, catalog())
        self.pairs = Task(self.recipe, catalog()).pairs
        self.said = []

    def order(self, batch_size):
        """The pairs of each step."""
        return Order(0, len(self.pairs), batch_size)

    def sampler(self):
        return Task(self.recipe, catalog()).sampler

    def obtain(self, passes=9):
        return obtain(self.sampler(), self.pairs, passes=passes, say=self.said.append)

    def samples(self, cache=None):
        sampler = self.sampler().reading(cache)
        return [
            sampler.training(self.pairs, epoch, index)
            for epoch in (1, 2)
            for index in range(len(self.pairs))
        ]

    def check(self):
        """The cache, after its samples were found to be those of the files."""
        cache = self.obtain()
        assert cache is not None, self.said
        for one, other in zip(self.samples(), self.samples(cache), strict=True):
            for side, cached in zip(one, other, strict=True):
                assert side.dtype == cached.dtype
                assert torch.equal(side, cached)
        return cache
