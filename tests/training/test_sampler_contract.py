"""What a translator promises that can be given its noise, and another number of evaluations."""

import pytest
import torch
from flow_matching import Sampler
from third_party import with_plugin

from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.samplers import probe_nfe, probe_noise
from imtrans.recipe.catalog import catalog
from imtrans.testing.case import Case
from imtrans.testing.promises import check, promises_of

SOURCE = torch.zeros(1, 3, 8, 12)


def test_flow_matching_keeps_every_promise_of_a_method(tmp_path):
    with with_plugin("flow_matching"):
        installed = catalog()
        for number, promise in enumerate(promises_of("method")):
            folder = tmp_path / str(number)
            folder.mkdir()
            check(promise, Case(installed.methods["flow_matching"], installed, folder))


class DrawsMore(Sampler):
    def forward(self, source, noise=None):
        made = super().forward(source, noise)
        return made + torch.rand(made.shape)


class Ignores(Sampler):
    def forward(self, source, noise=None):
        return super().forward(source)


class Uniform(Sampler):
    def forward(self, source, noise=None):
        if noise is None:
            noise = torch.rand(len(source), self.noise_channels, *source.shape[2:])
        return super().forward(source, noise)


class Overwrites(Sampler):
    def forward(self, source, noise=None):
        made = super().forward(source, noise)
        if noise is not None:
            noise.zero_()
        return made


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (DrawsMore, "it gave two outputs of one noise for the same input and seed; it draws from"),
        (Ignores, "it gave two outputs of one noise"),
        (Uniform, "without `noise` it gives another output than with what `torch.randn` draws"),
        (Overwrites, "it changed its input 'noise' in place"),
    ],
)
def test_a_fault_with_noise_is_named(kind, said):
    torch.manual_seed(0)
    with pytest.raises(BrokenContract, match=said):
        probe_noise("a sampler", kind(3, 3, 2, 4), SOURCE)


class Counts(Sampler):
    """Remembers what it computed in the last number of steps."""

    seen = 0.0

    def forward(self, source, noise=None):
        self.seen = max(self.seen, float(self.nfe))
        return super().forward(source, noise) * self.seen


class OneShort(Sampler):
    def forward(self, source, noise=None):
        return super().forward(source, noise) / (self.nfe - 1)


class Choosy(Sampler):
    def __setattr__(self, name, value):
        if name == "nfe" and value not in (2, 3):
            raise ValueError("2 or 3 steps")
        super().__setattr__(name, value)


@pytest.mark.parametrize(
    ("kind", "nfe", "said"),
    [
        (Counts, 2, "set to another `nfe`, and back to 2, it gives another output"),
        (OneShort, 2, "in 1 network evaluations its output is not finite"),
        (Sampler, 0, "its `nfe` is 0"),
    ],
)
def test_a_fault_with_another_number_is_named(kind, nfe, said):
    torch.manual_seed(0)
    with pytest.raises(BrokenContract, match=said):
        probe_nfe("a sampler", kind(3, 3, nfe, 4), SOURCE)


def test_a_sampler_may_take_some_numbers_only():
    probe_nfe("a sampler", Choosy(3, 3, 2, 4), SOURCE)
