"""The whole step as one CUDA graph, against the steps taken one by one. All need a GPU.

In fp32 without TF32 and with deterministic algorithms, a replay is the step to a few roundings, its
dropout too: it draws from the same generator, in the same order.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from loading import Loading
from steps import step_of
from torch import nn

from imtrans.api.method import Batch
from imtrans.data.loader import Batches
from imtrans.data.resident import Resident, fits
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.feeding import HostFeed, ResidentFeed
from imtrans.training.fit import fit
from imtrans.training.step.engine import Engine, choose_engine, plain
from imtrans.training.step.graph import FixedBatch, GraphedSteps
from imtrans.training.step.stepper import Stepper

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda")


def graphed(precision="fp32"):
    return Engine("fast", CUDA, precision, graphed=True)


def batches(count, number=2, size=64):
    generator = torch.Generator().manual_seed(3)
    for _ in range(count):
        source = torch.rand(number, 3, size, size, generator=generator) * 2 - 1
        yield Batch(source.to(CUDA), (source * 0.5).to(CUDA))


@pytest.fixture(autouse=True)
def exact():
    """fp32 as it is, so that what differs is the graph's."""
    flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False)
    torch.cuda.set_device(0)
    with flags:
        yield


@pytest.fixture
def still(tiny_file):
    """Without dropout, whose noise makes rounding visible sooner."""
    return recipes.read(tiny_file, ["generator.dropout=0.0", "train.batch_size=2"], catalog())


@pytest.fixture
def tiny(tiny_file):
    return recipes.read(tiny_file, ["train.batch_size=2"], catalog())


def unet(tiny_file, *keys):
    """With dropout, batch norm and skip connections; every operation has a deterministic form."""
    sizes = ("generator.name=unet_128", "data.crop_size=128", "data.load_size=140")
    return recipes.read(tiny_file, [*sizes, "train.batch_size=2", *keys], catalog())


def rows(step, batches):
    return torch.stack([torch.stack(list(step(batch).values())) for batch in batches])


def stepper(step, said=None):
    return Stepper(step, (said if said is not None else []).append)


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-3), ("bf16", 2e-2)])
def test_replays_are_the_steps(still, precision, apart):
    eager, said = step_of(still, Engine("fast", CUDA, precision)), []
    replayed = stepper(step_of(still, graphed(precision)), said)
    expected, found = rows(eager, batches(5)), rows(replayed, batches(5))
    assert not said
    assert list(replayed._graphs) == [1]
    torch.testing.assert_close(found, expected, rtol=apart, atol=1e-4)


LATER = (  # what later papers found to help: it draws, and differentiates twice
    "adversarial.name=hinge",
    "discriminator.spectral_norm=true",
    "discriminator.features=true",
    "generator.upsample=resize",
    "method.feature_matching=10.0",
    "method.r1=1.0",
    "method.diffaugment=['color', 'translation', 'cutout']",
)


def test_replays_are_the_steps_with_all_that_can_be_switched_on(tiny_file):
    keys = ("generator.dropout=0.0", "train.batch_size=2")
    recipe, said = recipes.read(tiny_file, [*keys, *LATER], catalog()), []
    eager, replayed = step_of(recipe, Engine("fast", CUDA)), step_of(recipe, graphed())
    torch.manual_seed(0)
    expected = rows(eager, batches(5))
    torch.manual_seed(0)
    found = rows(stepper(replayed, said), batches(5))
    assert not said
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_recording_leaves_no_trace(tiny):
    step = step_of(tiny, graphed())
    before = {k: v.clone() for k, v in step.method.state_dict().items()}
    random = torch.cuda.get_rng_state(CUDA)
    GraphedSteps(step, FixedBatch(next(batches(1))))
    assert all(torch.equal(v, before[k]) for k, v in step.method.state_dict().items())
    assert torch.equal(random, torch.cuda.get_rng_state(CUDA))
    assert all(not moment.any() for moment in step.optimizer_state().values())


def test_dropout_differs_between_replays_and_not_between_runs(tiny_file):
    keys = ("generator.name=unet_128", "data.crop_size=128", "data.load_size=140")
    recipe = recipes.read(tiny_file, [*keys, "train.batch_size=2"], catalog())
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        step = step_of(recipe, graphed())
        step.scale_learning_rates(0.0)
        assert any(isinstance(m, nn.Dropout) and m.p for m in step.method.generator.modules())
        (batch,) = batches(1, size=128)
        runs.append(rows(stepper(step), [batch] * 4))
    l1 = runs[0][:, 2]
    assert len(set(l1.tolist())) == 4  # weights stand still, so that only the noise differs
    torch.testing.assert_close(runs[0], runs[1], rtol=1e-4, atol=1e-6)


def test_the_learning_rate_is_no_part_of_the_recording(tiny):
    step = step_of(tiny, graphed())
    take, (first, second, third) = stepper(step), batches(3)
    take(first)
    step.scale_learning_rates(0.0)
    before = {k: v.clone() for k, v in step.method.named_parameters()}
    take(second)
    assert all(torch.equal(v, before[k]) for k, v in step.method.named_parameters())
    step.scale_learning_rates(5.0)
    take(third)
    assert not all(torch.equal(v, before[k]) for k, v in step.method.named_parameters())


def test_a_smaller_batch_is_taken_without_the_graph_and_both_train_the_same_weights(still):
    mixed = [*batches(2), *batches(1, number=1), *batches(2)]
    expected = rows(step_of(still, Engine("fast", CUDA)), mixed)
    found = rows(stepper(step_of(still, graphed())), mixed)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_step_that_cannot_be_recorded_is_taken_one_by_one(tiny):
    step, said = step_of(tiny, graphed()), []
    forward = step.method.generator.forward

    def synchronising(source):
        float(source.sum())  # asks the device for a number, which no recording can
        return forward(source)

    step.method.generator.forward = synchronising
    found = rows(stepper(step, said), batches(2))
    (line,) = said
    assert line.startswith("note: no CUDA graph of this step (")
    assert torch.isfinite(found).all()


CAPTURES = {
    "found in the warm-up": lambda source: float(source.sum()),
    # Waits for nothing until it is captured: only CUDA itself refuses it.
    "refused by CUDA": lambda source: (
        torch.cuda.synchronize() if torch.cuda.is_current_stream_capturing() else None
    ),
}


@pytest.mark.parametrize("fault", CAPTURES)
def test_after_a_recording_that_failed_dropout_goes_on(tiny_file, fault):
    """torch 2.11 leaves the generator as if it were still captured."""
    recipe, said = unet(tiny_file), []
    eager, step = (step_of(recipe, one) for one in (Engine("fast", CUDA), graphed()))
    forward = step.method.generator.forward

    def failing(source):
        CAPTURES[fault](source)
        return forward(source)

    step.method.generator.forward = failing
    found = []
    for take in (eager, stepper(step, said)):
        torch.manual_seed(0)
        found.append(rows(take, batches(4, size=128)))
    assert len(said) == 1
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert torch.cuda.get_sync_debug_mode() == 0


OPTIONS = [
    (),
    ("train.ema=0.9",),
    ("train.clip_norm=0.5",),
    ("method.discriminator_steps=2",),
    ("train.warm_up=4",),
]


@pytest.mark.parametrize("keys", OPTIONS, ids=str)
def test_replays_with_dropout_are_the_steps_whatever_the_recipe_asks_for(tiny_file, keys):
    found, averages = [], []
    for engine in (Engine("fast", CUDA), graphed()):
        step = step_of(unet(tiny_file, *keys), engine)
        torch.manual_seed(0)
        found.append(rows(stepper(step), batches(5, size=128)))
        averages.append(list(step.translating["generator"].parameters()))
    torch.testing.assert_close(found[0], found[1], rtol=2e-3, atol=1e-4)
    for one, other in zip(*averages, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-3)


FIELDS = [
    {"counted": True},
    {"dense_gradients": True},
    {"halved": True},
    {"shadowed": True},
    {"compiled": "phases"},
    {"counted": True, "halved": True, "shadowed": True, "compiled": "phases"},
    {"channels_last": False},
]


@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_each_field_computes_the_step_in_the_graph_too(tiny_file, fields):
    torch.compiler.reset()
    recipe, said = unet(tiny_file, "generator.dropout=0.0"), []
    expected = rows(step_of(recipe, Engine("fast", CUDA, "bf16")), batches(4, size=128))
    replayed = stepper(step_of(recipe, replace(graphed("bf16"), **fields)), said)
    found = rows(replayed, batches(4, size=128))
    assert (said, list(replayed._graphs)) == ([], [1])
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=1e-2)


@pytest.mark.parametrize("launch", [1, 3])
def test_steps_on_resident_pairs_are_the_steps_on_the_hosts_batches(tiny_file, launch):
    loading = Loading(tiny_file, "generator.dropout=0.0", "train.log_every=3")
    task = Task(loading.recipe, catalog())
    sampler = loading.sampler().reading(loading.obtain())
    engine = replace(graphed(), resident=True, launch=launch)
    found = []
    for feed in (
        HostFeed(
            Batches(loading.pairs, sampler, loading.order(1), workers=0, pin=True),
            task.encoding,
            CUDA,
        ),
        ResidentFeed(Resident(sampler, loading.order(1), CUDA), task.encoding),
    ):
        feed.start(1, 4)  # across the end of an epoch
        take, losses = stepper(step_of(loading.recipe, engine)), []
        while sum(map(len, losses)) < 9:
            feed.fetch()
            _, taken = take.take(feed, 3)
            losses.append(taken["l1"].reshape(-1).clone())
        found.append(torch.cat(losses)[:9])
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)


def test_cuda_chooses_the_graph(tiny):
    engine = choose_engine(tiny.train, CUDA)
    assert (engine.name, engine.graphed) == ("fast", True)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_the_second_gpu_trains_as_the_first(tiny, tmp_path):
    assert fit(Task(tiny, catalog()), tmp_path / "run", device="cuda:1").step == 6
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len({json.loads(row)["l1"] for row in rows}) == len(rows)  # no empty graph


def test_a_run_that_was_killed_ends_with_the_bytes_of_one_that_was_not(tiny_file, tmp_path):
    keys = ("generator.name=unet_128", "data.crop_size=128", "data.load_size=140")
    settings = [f"--set={key}" for key in (*keys, "train.deterministic=true")]
    runs = []
    for name in ("whole", "killed"):
        order = [sys.executable, "-m", "imtrans", "train", tiny_file, *settings]
        order += ["--device=cuda", f"--run-dir={tmp_path / name}"]
        if name == "killed":
            with subprocess.Popen(order) as process:
                while not (tmp_path / name / "checkpoints" / "step_00000004").exists():
                    assert process.poll() is None
                process.kill()
        subprocess.run(order, check=True)
        newest = checkpoints(tmp_path / name)[-1]
        runs.append({p.name: p.read_bytes() for p in newest.glob("*.safetensors")})
    assert runs[0] == runs[1]


def test_a_run_on_cuda_goes_on_after_an_interruption(tiny, tmp_path, monkeypatch):
    take = Stepper.take

    def interrupting(self, feed, most):
        os.kill(os.getpid(), signal.SIGTERM)
        return take(self, feed, most)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "take", interrupting)
        assert fit(Task(tiny, catalog()), tmp_path / "run", device="cuda").step == 1
    assert fit(Task(tiny, catalog()), tmp_path / "run", device="cuda").step == 6
    newest = checkpoints(tmp_path / "run")[-1]
    weights = read_tensors(newest / "generator.safetensors")
    assert all(torch.isfinite(tensor.float()).all() for tensor in weights.values())


def test_a_deterministic_run_ends_with_the_same_bytes(tiny_file, tmp_path):
    # The ResNet's reflection padding has no deterministic gradient; the U-Net has none of it.
    keys = ("generator.name=unet_128", "data.crop_size=128", "data.load_size=140")
    recipe = recipes.read(tiny_file, [*keys, "train.deterministic=true"], catalog())
    for name in ("one", "two"):
        fit(Task(recipe, catalog()), tmp_path / name, device="cuda")
    one, two = (checkpoints(tmp_path / name)[-1] for name in ("one", "two"))
    for part in ("generator", "discriminator"):
        tensors = [read_tensors(run / f"{part}.safetensors") for run in (one, two)]
        assert all(torch.equal(tensor, tensors[1][key]) for key, tensor in tensors[0].items())


def test_pairs_on_the_gpu_make_the_batches_of_the_host(tiny_file):
    loading = Loading(tiny_file)
    sampler = loading.sampler().reading(loading.obtain())
    assert fits(sampler, CUDA)
    expected = Batches(
        loading.pairs, loading.sampler(), loading.order(4), workers=0, pin=False
    ).start(1, 0)
    for batch, _ in zip(
        Resident(sampler, loading.order(4), CUDA).start(1, 0), range(4), strict=False
    ):
        for side, wanted in zip(batch, next(expected), strict=True):
            assert torch.equal(side.cpu(), wanted)


def test_bf16_on_cuda_starts_with_the_losses_of_fp32_on_the_cpu(still):
    losses = []
    for device, precision in (("cpu", "fp32"), ("cuda", "bf16")):
        chosen = torch.device(device)
        step = step_of(still, Engine("fast", chosen, precision))
        (batch,) = batches(1)
        losses.append(step(Batch(*(side.to(chosen) for side in batch))))
    assert float(losses[0]["l1"]) == pytest.approx(float(losses[1]["l1"]), rel=1e-2)


def test_the_plain_engine_runs_on_cuda(tiny):
    assert torch.isfinite(rows(step_of(tiny, plain(CUDA)), batches(2))).all()
