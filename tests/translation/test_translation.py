"""Translating: any size, one image like many, a tree like the tree, and no trace in the network."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from drawn import draw_picture
from PIL import Image
from torch import nn

import imtrans as public
from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.encoding import Derived, Direct
from imtrans.data.pixels import images
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.encode import encode
from imtrans.data.pixels.formats.stored import PixelSpec
from imtrans.host.files import MARK
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable
from imtrans.runs import checkpoint
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.translation.folder import translate_files
from imtrans.translation.jobs import plan
from imtrans.translation.network.modes import translating
from imtrans.translation.network.noise import Noise, with_seeded_dropout
from imtrans.translation.padding import SMALLEST, pad_to_multiple
from imtrans.translation.resuming import RECORD
from imtrans.translation.translator import Translator

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


def encoding(**sides):
    return Direct(DataTable(root="x", **sides))


def same(stride=1, **sides):
    return Translator(Same(stride), encoding(**sides), device=CPU)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (33, 64), (71, 233), (256, 256), (257, 3)])
@pytest.mark.parametrize("stride", [1, 4, 256])
def test_any_size_goes_through_and_comes_back(size, stride):
    picture = draw_picture(1, size)
    translator = same(stride)
    assert translator(picture).tobytes() == picture.tobytes()
    (seen,) = translator.module.seen
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
    with pytest.raises(ImtransError, match="16 bits per channel; only 8-bit"):
        same()(Image.new("I;16", (4, 4)))


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
def test_translating_leaves_no_trace_in_the_network(unet, statistics):
    unet.train()
    before, random = state_of(unet), torch.get_rng_state()
    translator = Translator(unet, encoding(), device=CPU)
    with translating(unet, statistics=statistics):
        translator(draw_picture(1, (128, 128)))
    assert all(torch.equal(before[key], value) for key, value in unet.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert all(module.training for module in unet.modules())
    unet(torch.rand(2, 3, 128, 128))
    assert not torch.equal(before["encoder.1.2.running_mean"], unet.encoder[1][2].running_mean)


def test_image_statistics_are_those_of_training_with_batch_size_one(unet):
    image = torch.rand(1, 3, 128, 128)
    with translating(unet, statistics="image"), torch.no_grad():
        output = unet(image)
    unet.train()
    for module in unet.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    with torch.no_grad():
        assert torch.equal(unet(image), output)


def test_running_statistics_are_those_of_evaluation(unet):
    image = torch.rand(1, 3, 128, 128)
    with translating(unet, statistics="running"), torch.no_grad():
        output = unet(image)
    with torch.no_grad():
        assert torch.equal(unet.eval()(image), output)


@pytest.fixture
def saved(tiny_file, tmp_path):
    """A checkpoint of a U-Net with dropout and batch norm that has learned nothing."""
    small = ["generator.name=unet_128", "data.load_size=128", "data.crop_size=128"]
    task = Task(recipes.read(tiny_file, small, catalog()), catalog())
    parts = {name: net.state_dict() for name, net in task.method(CPU).networks().items()}
    checkpoint.save(tmp_path / "saved", parts, task)
    return tmp_path / "saved"


def test_dropout_is_off_or_has_the_noise_of_its_seed(saved):
    one, other = draw_picture(1, (128, 128)), draw_picture(2, (128, 128))

    def translated(seed, *before):
        translator = public.load(saved, precision="fp32", dropout_seed=seed)
        for picture in before:
            translator(picture)
        return translator(one).tobytes()

    random = torch.get_rng_state()
    assert translated(None) == translated(None)
    assert translated(1) == translated(1, other, one)  # for each image anew
    assert len({translated(None), translated(1), translated(2)}) == 3
    assert torch.equal(random, torch.get_rng_state())


@pytest.mark.parametrize(
    ("kind", "channels"), [(nn.Dropout, False), (nn.Dropout2d, True)], ids=["elements", "channels"]
)
def test_seeded_dropout_drops_as_much_as_torchs_own_and_keeps_the_mean(kind, channels):
    network, noise = nn.Sequential(nn.Identity(), kind(0.3)), Noise()
    with_seeded_dropout(network, noise)
    network.eval()
    with noise.seeded(1, CPU):
        dropped = network(torch.ones(8, 512, 4, 4))
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.03)
    whole = (dropped == dropped[..., :1, :1]).flatten(2).all(-1)
    assert whole.all() == channels


class Drawing(nn.Module):
    """A sampler: adds noise that torch draws."""

    stride, draws = 1, True

    def forward(self, source):
        return source + 0.3 * torch.randn(source.shape)


def in_threads(translator, pictures):
    with ThreadPoolExecutor(max_workers=4) as pool:
        return [result.tobytes() for result in pool.map(translator, pictures)]


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("statistics", ["image", "running"])
def test_several_threads_translate_as_one_does(saved, statistics, seed):
    translator = public.load(saved, precision="fp32", statistics=statistics, dropout_seed=seed)
    pictures = [draw_picture(n, (128 + n % 3, 128)) for n in range(6)] * 3
    assert in_threads(translator, pictures) == [translator(one).tobytes() for one in pictures]


def test_several_threads_sample_as_one_does_and_leave_the_random_state_alone():
    translator = Translator(Drawing(), encoding(), device=CPU, seed=5)
    pictures = [draw_picture(n, (64, 64)) for n in range(6)] * 10
    before = torch.get_rng_state()
    assert in_threads(translator, pictures) == [translator(one).tobytes() for one in pictures]
    assert torch.equal(before, torch.get_rng_state())


def test_a_sampler_draws_the_same_without_a_seed_and_other_noise_with_another():
    def drawn(seed):
        translator = Translator(Drawing(), encoding(), device=CPU, seed=seed)
        return translator(draw_picture(1, (64, 64))).tobytes()

    assert drawn(None) == drawn(None)
    assert len({drawn(seed) for seed in (None, 1, 2)}) == 3


def test_what_does_not_translate_is_refused_with_what_does(saved):
    with pytest.raises(ImtransError, match="holds the discriminator, which does not translate; "):
        public.load(saved / "discriminator.safetensors")
    with pytest.raises(ImtransError, match="no translator 'back'; there are 'generator'"):
        public.load(saved, translator="back")
    with pytest.raises(ImtransError, match="holds the discriminator, .* use 'generator'"):
        public.load(saved, translator="discriminator")


def pixels(path):
    with Image.open(path) as image:
        return image.convert("RGB")


def folder_of(tmp_path, *names):
    for number, name in enumerate(names):
        path = tmp_path / "input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_picture(number, (40, 30 + number)).save(path)
    return tmp_path / "input"


def translated(source, output, translator):
    jobs = plan(source, output, translator.encoding)
    return translate_files(translator, jobs, output, lambda: None)


def tree(folder):
    names = (str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in names if name not in (MARK, RECORD))


def test_the_results_stand_in_the_same_tree_under_the_same_names(tmp_path):
    source = folder_of(tmp_path, "a.png", "sub/b.png", "sub/deep/c.bmp", "d.tif")
    outcome = translated(source, tmp_path / "out", same(4))
    assert outcome.done == 4
    assert tree(tmp_path / "out") == tree(source)
    for name in tree(source):
        assert pixels(tmp_path / "out" / name).tobytes() == pixels(source / name).tobytes()


def test_lossy_formats_become_png_and_nothing_replaces_anything(tmp_path):
    source = folder_of(tmp_path, "a.jpg", "a.png", "b.jpg", "b.webp", "c.JPEG")
    translated(source, tmp_path / "out", same())
    assert tree(tmp_path / "out") == ["a.jpg.png", "a.png", "b.png", "b.webp.png", "c.png"]
    assert pixels(tmp_path / "out" / "a.png").size == (40, 31)
    assert pixels(tmp_path / "out" / "a.jpg.png").size == (40, 30)


def test_a_broken_image_is_named_and_the_rest_is_done(tmp_path):
    source = folder_of(tmp_path, *(f"{n}.png" for n in range(12)))
    (source / "5.png").write_bytes((source / "5.png").read_bytes()[:60])
    outcome = translated(source, tmp_path / "out", same())
    assert outcome.done == 11
    assert len(outcome.broken) == 1
    assert str(source / "5.png") in outcome.broken[0]
    assert "5.png" not in tree(tmp_path / "out")


def test_a_result_never_replaces_its_input(tmp_path):
    source = folder_of(tmp_path, "a.png")
    with pytest.raises(ImtransError, match="results would replace the inputs"):
        plan(source, source, encoding())


def test_results_of_last_time_are_neither_translated_nor_in_the_way(tmp_path):
    source = folder_of(tmp_path, "a.png")
    for _ in range(2):
        outcome = translated(source, source / "out", same())
    assert (outcome.done, outcome.kept) == (0, 1)
    assert tree(source / "out") == ["a.png"]


def test_a_file_that_no_translation_has_written_is_never_replaced(tmp_path):
    source = folder_of(tmp_path, "a.png", "sub/a.png")
    before = (source / "sub" / "a.png").read_bytes()
    with pytest.raises(ImtransError, match="no translation has written, and results would replace"):
        plan(source, source / "sub", encoding())
    assert (source / "sub" / "a.png").read_bytes() == before


def test_an_output_around_the_input_takes_what_is_in_it(tmp_path):
    source = folder_of(tmp_path, "b.png")
    assert translated(source, tmp_path, same()).done == 1
    assert (tmp_path / "b.png").is_file()


def test_names_that_collide_in_a_chain_stay_apart(tmp_path):
    source = folder_of(tmp_path, "a.jpg", "a.png", "a.jpg.png")
    assert translated(source, tmp_path / "out", same()).done == 3
    assert len(tree(tmp_path / "out")) == 3


def test_a_loop_of_links_is_walked_once(tmp_path):
    source = folder_of(tmp_path, "a.png", "sub/b.png")
    (source / "sub" / "loop").symlink_to(source)
    assert len(plan(source, tmp_path / "out", encoding())) == 2


class Red(Same):
    """Paints everything red."""

    def forward(self, source):
        red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1)
        return red.expand(len(source), 3, *source.shape[-2:])


@pytest.mark.parametrize("how", ["transparent", "mask"])
def test_a_hole_is_filled_and_the_rest_stays_as_it_was(tmp_path, how):
    source = tmp_path / "input"
    source.mkdir()
    photo, hole = draw_picture(1, (40, 30)), Image.new("L", (40, 30), 0)
    hole.paste(255, (5, 5, 20, 15))
    if how == "mask":
        photo.save(source / "photo.bmp")
        hole.save(source / "photo.mask.png")
    else:
        whole = photo.copy()
        whole.putalpha(hole.point(lambda value: 255 - value))
        whole.save(source / "photo.png")
    data = DataTable(root="x", layout="photos", derive="lab")
    inpaint = Derived(catalog().derivations["mask"].build(), data)
    outcome = translated(source, tmp_path / "out", Translator(Red(4), inpaint, device=CPU))
    assert (outcome.done, outcome.broken) == (1, [])
    (result,) = tree(tmp_path / "out")
    expected = photo.copy()
    expected.paste((255, 0, 0), mask=hole)
    assert pixels(tmp_path / "out" / result).tobytes() == expected.tobytes()


def test_16_bits_and_five_bands_pass_through_unchanged(tmp_path):
    (tmp_path / "input").mkdir()
    every = torch.arange(65536, dtype=torch.int32).view(1, 256, 256)
    encode(every, tmp_path / "input" / "grey.png", "uint16")
    grey = {"channels": 1, "dtype": "uint16"}
    outcome = translated(tmp_path / "input", tmp_path / "out", same(4, source=grey, target=grey))
    assert not outcome.broken
    wanted = PixelSpec(1, "uint16")
    assert torch.equal(decode(Picture(str(tmp_path / "out" / "grey.png")), wanted), every)
    (tmp_path / "input" / "grey.png").unlink()

    bands = torch.randint(0, 65536, (5, 33, 47), dtype=torch.int32)
    encode(bands, tmp_path / "input" / "bands.tif", "uint16")
    five = {"channels": 5, "dtype": "uint16"}
    outcome = translated(tmp_path / "input", tmp_path / "out", same(4, source=five, target=five))
    assert not outcome.broken
    wanted = PixelSpec(5, "uint16")
    assert torch.equal(decode(Picture(str(tmp_path / "out" / "bands.tif")), wanted), bands)


def test_load_takes_a_run_a_checkpoint_or_a_file_and_agrees_with_the_last_sample(tiny, tmp_path):
    outcome = fit(Task(tiny, catalog()), tmp_path / "run", console=None)
    picture = draw_picture(5, (64, 64))
    paths = [tmp_path / "run", outcome.checkpoint, outcome.checkpoint / "generator.safetensors"]
    first, *rest = (public.load(str(path), precision="fp32")(picture) for path in paths)
    assert first.size == (64, 64)
    assert all(other.tobytes() == first.tobytes() for other in rest)


@pytest.mark.parametrize("tiny_engine", ["auto"])
def test_a_preview_shows_exactly_what_translate_writes(tiny, tmp_path):
    outcome = fit(Task(tiny, catalog()), tmp_path / "run")
    grid = images.to_tensor(pixels(outcome.run_dir / "samples" / f"step_{outcome.step:08d}.png"))
    source, output = grid[:, :64, :64], grid[:, :64, 68 : 68 + 64]
    translator = public.load(tmp_path / "run", precision="fp32", size="native")
    translated = translator(images.to_image(source))
    assert torch.equal(images.to_tensor(translated), output)


def test_networks_are_the_same_for_the_same_seed_and_leave_the_random_state_alone(tiny):
    before = torch.get_rng_state()
    one, other = (Task(tiny, catalog()).method(CPU).generator.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert torch.equal(before, torch.get_rng_state())
