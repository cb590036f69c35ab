"""Translating: any size, one image like many, a tree like the tree, and no trace in the network."""

import pytest
import torch
from drawn import draw_picture
from PIL import Image
from torch import nn

import imtrans as public
from imtrans.assemble import assemble
from imtrans.data import images
from imtrans.data.colour import Direct, Lab
from imtrans.errors import ImtransError
from imtrans.plugins import catalog
from imtrans.training.fit import fit
from imtrans.translation.folder import plan, translate_files
from imtrans.translation.padding import SMALLEST, pad_to_multiple
from imtrans.translation.translator import Translator, translating

CPU = torch.device("cpu")


class Same(nn.Module):
    """A generator that returns its source, and remembers what it saw."""

    def __init__(self, stride=1):
        super().__init__()
        self.stride = stride
        self.seen = []

    def forward(self, source):
        self.seen.append(source.shape)
        return source


def same(stride=1, shown_as=None):
    return Translator(Same(stride), shown_as or Direct(3, 3), device=CPU)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (33, 64), (71, 233), (256, 256), (257, 3)])
@pytest.mark.parametrize("stride", [1, 4, 256])
def test_any_size_goes_through_and_comes_back(size, stride):
    picture = draw_picture(1, size)
    translator = same(stride)
    assert translator(picture).tobytes() == picture.tobytes()
    (seen,) = translator.generator.seen
    assert all(side % stride == 0 and side >= SMALLEST for side in seen[-2:])


def test_a_size_that_fits_is_not_padded():
    image = torch.rand(1, 3, 64, 128)
    padded, _ = pad_to_multiple(image, 64)
    assert padded is image


def test_the_border_reflects_the_image_without_repeating_its_edge():
    image = torch.arange(33.0).view(1, 1, 1, 33)
    padded, (rows, columns) = pad_to_multiple(image, 36)
    assert padded[0, 0, 0].tolist() == [1, *range(33), 31, 30]
    assert torch.equal(padded[..., rows, columns], image)


def test_reflection_goes_back_and_forth_in_an_image_smaller_than_the_border():
    padded, _ = pad_to_multiple(torch.tensor([0.0, 1, 2]).view(1, 1, 1, 3), 32)
    row = padded[0, 0, 0].tolist()
    assert row[14:20] == [0, 1, 2, 1, 0, 1]
    assert {abs(a - b) for a, b in zip(row, row[1:], strict=False)} == {1}


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_every_8_bit_mode_is_taken(mode):
    assert same()(draw_picture(1, (20, 10)).convert(mode)).size == (20, 10)


def test_a_depth_that_would_be_clipped_is_refused():
    with pytest.raises(ImtransError, match="only 8-bit images can be read"):
        same()(Image.new("I;16", (4, 4)))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_colourisation_keeps_the_lightness_of_the_photograph(mode):
    class Blue(Same):
        def forward(self, source):
            return torch.cat([source * 0 + 0.1, source * 0 - 0.3], dim=1)

    photo = draw_picture(1, (50, 40)).point(lambda value: 60 + value // 3).convert(mode)
    blue = Translator(Blue(), Lab(), device=CPU)(photo)
    assert (blue.mode, blue.size) == ("RGB", (50, 40))
    shown = [Lab().encode_source(images.to_tensor(p.convert("RGB"))[None]) for p in (photo, blue)]
    assert (shown[0] - shown[1]).abs().max() < 0.03
    assert images.to_tensor(blue).float().mean(dim=(1, 2))[2] > 100


@pytest.fixture(scope="module")
def unet():
    torch.manual_seed(0)
    generator = catalog().generators["unet_128"].build(3, 3, width=4)
    with torch.no_grad():
        for _ in range(3):  # move the running statistics away from their start
            generator(torch.rand(2, 3, 128, 128))
    return generator


def state_of(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


@pytest.mark.parametrize("statistics", ["image", "running"])
@pytest.mark.parametrize("seed", [None, 3])
def test_translating_leaves_no_trace_in_the_network(unet, statistics, seed):
    unet.train()
    before, random = state_of(unet), torch.get_rng_state()
    translator = Translator(
        unet, Direct(3, 3), device=CPU, statistics=statistics, dropout_seed=seed
    )
    translator(draw_picture(1, (128, 128)))
    assert all(torch.equal(before[key], value) for key, value in unet.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert all(module.training for module in unet.modules())
    unet(torch.rand(2, 3, 128, 128))
    assert not torch.equal(before["encoder.1.2.running_mean"], unet.encoder[1][2].running_mean)


def test_image_statistics_are_those_of_training_with_batch_size_one(unet):
    image = torch.rand(1, 3, 128, 128)
    with translating(unet, "image", dropout=False), torch.no_grad():
        fake = unet(image)
    unet.train()
    for module in unet.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    with torch.no_grad():
        assert torch.equal(unet(image), fake)


def test_running_statistics_are_those_of_evaluation(unet):
    image = torch.rand(1, 3, 128, 128)
    with translating(unet, "running", dropout=False), torch.no_grad():
        fake = unet(image)
    with torch.no_grad():
        assert torch.equal(unet.eval()(image), fake)


def test_dropout_is_off_or_has_the_noise_of_its_seed(unet):
    picture = draw_picture(1, (128, 128))

    def translated(seed):
        return Translator(unet, Direct(3, 3), device=CPU, dropout_seed=seed)(picture).tobytes()

    assert translated(None) == translated(None)
    assert translated(1) == translated(1)
    assert len({translated(None), translated(1), translated(2)}) == 3


def folder_of(tmp_path, *names):
    for number, name in enumerate(names):
        path = tmp_path / "input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_picture(number, (40, 30 + number)).save(path)
    return tmp_path / "input"


def tree(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_the_results_stand_in_the_same_tree_under_the_same_names(tmp_path):
    source = folder_of(tmp_path, "a.png", "sub/b.png", "sub/deep/c.bmp", "d.tif")
    outcome = translate_files(same(4), plan(source, tmp_path / "out"), lambda: None)
    assert outcome.done == 4
    assert tree(tmp_path / "out") == tree(source)
    for name in tree(source):
        assert (
            images.read(tmp_path / "out" / name).tobytes() == images.read(source / name).tobytes()
        )


def test_lossy_formats_become_png_and_nothing_replaces_anything(tmp_path):
    source = folder_of(tmp_path, "a.jpg", "a.png", "b.jpg", "b.webp", "c.JPEG")
    translate_files(same(), plan(source, tmp_path / "out"), lambda: None)
    assert tree(tmp_path / "out") == ["a.jpg.png", "a.png", "b.png", "b.webp.png", "c.png"]
    assert images.read(tmp_path / "out" / "a.png").size == (40, 31)
    assert images.read(tmp_path / "out" / "a.jpg.png").size == (40, 30)


def test_a_broken_image_is_named_and_the_rest_is_done(tmp_path):
    source = folder_of(tmp_path, *(f"{n}.png" for n in range(12)))
    (source / "5.png").write_bytes((source / "5.png").read_bytes()[:60])
    outcome = translate_files(same(), plan(source, tmp_path / "out"), lambda: None)
    assert outcome.done == 11
    assert len(outcome.broken) == 1
    assert str(source / "5.png") in outcome.broken[0]
    assert "5.png" not in tree(tmp_path / "out")


def test_a_result_never_replaces_its_input(tmp_path):
    source = folder_of(tmp_path, "a.png")
    with pytest.raises(ImtransError, match="results would replace the inputs"):
        plan(source, source)


def test_an_output_inside_the_input_is_not_translated_again(tmp_path):
    source = folder_of(tmp_path, "a.png", "out/old.png")
    assert plan(source, source / "out") == [(source / "a.png", source / "out" / "a.png")]


def test_an_interrupted_write_leaves_no_half_image(tmp_path, monkeypatch):
    source = folder_of(tmp_path, "a.png")
    monkeypatch.setattr(
        Image.Image, "save", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(ImtransError, match="a.png: cannot be written: no space left"):
        translate_files(same(), plan(source, tmp_path / "out"), lambda: None)
    assert tree(tmp_path / "out") == []


def test_load_takes_a_run_a_checkpoint_or_a_file_and_agrees_with_the_last_sample(tiny, tmp_path):
    outcome = fit(tiny, catalog(), tmp_path / "run", console=None)
    picture = draw_picture(5, (64, 64))
    paths = [tmp_path / "run", outcome.checkpoint, outcome.checkpoint / "generator.safetensors"]
    first, *rest = (public.load(str(path), precision="fp32")(picture) for path in paths)
    assert first.size == (64, 64)
    assert all(other.tobytes() == first.tobytes() for other in rest)


def test_a_preview_shows_exactly_what_translate_writes(tiny, tmp_path):
    outcome = fit(tiny, catalog(), tmp_path / "run")
    grid = images.to_tensor(
        images.read(outcome.run_dir / "samples" / f"step_{outcome.step:08d}.png")
    )
    source, fake = grid[:, :64, :64], grid[:, :64, 68 : 68 + 64]
    translated = public.load(tmp_path / "run", precision="fp32")(images.to_image(source))
    assert torch.equal(images.to_tensor(translated), fake)


def test_networks_are_the_same_for_the_same_seed_and_leave_the_random_state_alone(tiny):
    before = torch.get_rng_state()
    one, other = (assemble(tiny, catalog(), CPU).generator.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert torch.equal(before, torch.get_rng_state())
