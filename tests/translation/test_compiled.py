"""A compiled network translates as it does otherwise, or is not compiled."""

import shutil

import pytest
import torch
from drawn import draw_picture
from torch import nn

from imtrans.cli.translate_options import compile_from
from imtrans.data.encoding import Direct
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable
from imtrans.translation import together
from imtrans.translation.folder import Way, translate_files
from imtrans.translation.jobs import plan
from imtrans.translation.network.compiled import Compiled, PerImageNorm, repaid_from
from imtrans.translation.network.lowering import lower
from imtrans.translation.network.modes import set_modes
from imtrans.translation.together import Together
from imtrans.translation.translator import Translator

CPU = torch.device("cpu")


def translator(module, precision="fp32"):
    return Translator(module, Direct(DataTable(root="x")), device=CPU, precision=precision)


def sources(count, side=64):
    generator = torch.Generator().manual_seed(0)
    return list((torch.rand(count, 3, side, side, generator=generator) * 2 - 1).split(1))


def small():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 1))
    network.stride = 1
    set_modes(network, "image")
    return network


@pytest.fixture
def as_it_is(monkeypatch):
    """What is handed to the compiler is called as it is."""
    handed = []
    monkeypatch.setattr(torch, "compile", lambda network, **_: handed.append(network) or network)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    return handed


IMPORTING = "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"


@pytest.mark.thorough
@pytest.mark.filterwarnings(IMPORTING)
@pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")
@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=pytest.mark.soak), "bf16"])
def test_a_compiled_network_translates_alike(precision):
    torch.manual_seed(0)
    network = catalog().generators["unet_128"].build(3, 3, width=4)
    set_modes(network, "image")
    plain = translator(network).output(torch.cat(sources(5, 128)))
    lower(network, precision)
    using = translator(network, precision)
    using.compile()
    made = torch.cat(Together(using).outputs(sources(5, 128)))
    assert using.compiled.why_not is None
    assert float((made - plain).abs().max()) < (1e-4 if precision == "fp32" else 0.05)


def test_any_number_of_images_is_brought_to_one_size_of_batch(as_it_is):
    given = []
    using = translator(small())
    using.compile()
    using.compiled._compiled.register_forward_pre_hook(
        # A compiler compiles again for the other kind of tensor.
        lambda _, inputs: given.append((len(inputs[0]), inputs[0].is_inference()))
    )
    made = Together(using).outputs(sources(7))
    alone = translator(small())
    torch.testing.assert_close(torch.cat(made), torch.cat([alone.output(s) for s in sources(7)]))
    assert set(given) == {(4, True)}


def test_each_image_is_normalised_by_itself(as_it_is):
    network = small()
    Compiled(network, CPU)
    (handed,) = as_it_is
    assert isinstance(handed[1], PerImageNorm)
    assert isinstance(network[1], nn.BatchNorm2d)
    batch = torch.cat(sources(3)) * torch.tensor([0.1, 1.0, 3.0]).view(3, 1, 1, 1)
    expected = [network[1](one) for one in network[0](batch).split(1)]
    torch.testing.assert_close(handed[1](network[0](batch)), torch.cat(expected))


def test_other_sizes_than_the_first_are_translated_as_they_are(as_it_is):
    using = translator(small())
    using.compile()
    taken = [using.compiled.takes(torch.zeros(4, 3, side, side)) for side in (64, 32, 16, 64)]
    assert taken == [True, True, False, True]
    assert Together(using).outputs(sources(5, 16))[0].shape == (1, 3, 16, 16)


def test_what_cannot_be_compiled_is_translated_as_it_is(as_it_is, monkeypatch):
    def fails(network, **_):
        def call(source):
            raise RuntimeError("no kernel for this")

        return call

    monkeypatch.setattr(torch, "compile", fails)
    using = translator(small())
    using.compile()
    made = Together(using).outputs(sources(5))
    torch.testing.assert_close(made[0], translator(small()).output(sources(1)[0]))
    assert using.compiled.why_not == "no kernel for this"


def test_what_would_translate_otherwise_is_not_used(as_it_is, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda network, **_: lambda source: source)
    using = translator(small())
    using.compile()
    made = Together(using).outputs(sources(5))
    torch.testing.assert_close(made[0], translator(small()).output(sources(1)[0]))
    assert "its outputs would differ by" in using.compiled.why_not


@pytest.mark.filterwarnings(IMPORTING)
def test_without_a_compiler_nothing_is_tried(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    compiled = Compiled(small(), CPU)
    assert compiled.why_not == "there is no C++ compiler here"
    assert not compiled.takes(torch.zeros(4, 3, 64, 64))


def test_it_is_repaid_from_thousands_of_images_on():
    large = nn.Conv2d(1000, 1200, 3)
    assert [repaid_from(large, torch.device(name)) for name in ("cpu", "mps")] == [5000, None]
    assert repaid_from(small(), CPU) is None
    using = translator(small())
    assert [compile_from(chosen, using) for chosen in (None, True, False)] == [None, 1, None]


def test_only_images_that_are_left_count(as_it_is, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        draw_picture(number, (64, 64)).save(tmp_path / "in" / f"{number}.png")
    compiled = []
    for left in (3, 0):
        using = translator(small())
        jobs = plan(tmp_path / "in", tmp_path / "out", using.encoding)
        outcome = translate_files(using, jobs, tmp_path / "out", lambda: None, Way(compile_from=3))
        assert outcome.done == left
        compiled.append(using.compiled is not None)
    assert compiled == [True, False]


@pytest.mark.parametrize(("side", "images"), [(64, 2), (1024, None)])
def test_sizes_of_which_fewer_go_together_are_translated_as_they_are(as_it_is, side, images):
    using = translator(small())
    using.compile()
    Together(using, images).outputs(sources(2, side))
    assert not using.compiled._sizes
    assert "fewer than 4 images" in using.compiled.remark


def test_batches_are_full_where_they_would_repay_nothing_otherwise(as_it_is, monkeypatch):
    monkeypatch.setattr(together, "LEAST", 1)  # so that images would go through it one by one
    using = translator(small())
    assert Together(using)._count(torch.cat(sources(8)), 64**2) == 1
    using.compile()
    assert Together(using)._count(torch.cat(sources(8)), 64**2) == 8


def test_norms_without_averages_are_compiled_for_each_image_too(as_it_is):
    network = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)).eval()
    Compiled(network, CPU)
    assert isinstance(as_it_is[0][0], PerImageNorm)
