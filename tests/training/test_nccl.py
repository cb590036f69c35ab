"""Gradients averaged on GPUs: by NCCL, inside the CUDA graph of a step. All need a GPU."""

import pytest
import torch
import torch.distributed as dist
from started_ranks import torchrun
from steps import step_of

from imtrans.api.method import Batch
from imtrans.host.group import TorchGroup
from imtrans.host.ranks import Rank
from imtrans.host.watch import Watching
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.training.step.engine import Engine
from imtrans.training.step.stepper import Stepper

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda")


class GroupOfOne(TorchGroup):
    """One rank that passes everything on, as several would: the mean over it changes nothing."""

    alone = False


@pytest.fixture
def group(tmp_path):
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield GroupOfOne(Rank(), Watching())
    dist.destroy_process_group()


@pytest.fixture
def still(tiny_file):
    keys = ("generator.dropout=0.0", "train.batch_size=2", "train.ema=0.9")
    return recipes.read(tiny_file, keys, catalog())


def steps(recipe, engine, group=None):
    """The losses of five steps, and the weights that they lead to."""
    step = step_of(recipe, engine)
    said = []
    if group:
        step.join(group, said.append)
    stepper = Stepper(step, said.append)
    source = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3)) * 2 - 1
    batch = Batch(source.to(engine.device), (source * 0.5).to(engine.device))
    losses = [{k: float(v) for k, v in stepper(batch).items()} for _ in range(5)]
    assert said == []  # no note that something could not be recorded
    return losses, step.method.state_dict()


@pytest.mark.parametrize("graphed", [False, True], ids=["one by one", "in a graph"])
@pytest.mark.parametrize("synced", [False, True], ids=["", "synced"])
def test_a_mean_over_one_rank_changes_nothing(still, group, graphed, synced):
    train = still.train.model_copy(update={"sync_batch_norm": synced})
    recipe = still.model_copy(update={"train": train})
    engine = Engine("fast", CUDA, "fp32", graphed=graphed)
    torch.cuda.set_device(0)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False):
        alone_losses, alone = steps(still, engine)
        found_losses, found = steps(recipe, engine, group)
    for one, other in zip(alone_losses, found_losses, strict=True):
        assert other == pytest.approx(one, rel=1e-3)
    for name, weight in alone.items():
        torch.testing.assert_close(found[name], weight, atol=1e-3, rtol=1e-2, msg=name)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_train_together(tmp_path, tiny_file):
    code, out, err = torchrun(tmp_path, 2, "train", tiny_file, "--run-dir", tmp_path / "run")
    assert code == 0, err
    assert "2 processes, the first on cuda:0" in out
    assert "6 steps trained" in out
