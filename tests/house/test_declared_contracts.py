"""What every method, metric and logger promises, over the whole catalog: of plugins too."""

import math
import tomllib

import pytest
import torch
from metrics_built import built_metric, measured
from PIL import Image
from steps import step_of

from imtrans.api.listener import Listener, Measured, Moment, Reading
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.components import METHOD_TABLES
from imtrans.recipe.toml import dumps
from imtrans.runs import state
from imtrans.runs.state import Position
from imtrans.runs.weights import load_into
from imtrans.task import Task

CATALOG = catalog()
CPU = torch.device("cpu")


@pytest.fixture(params=CATALOG.methods.names())
def task(request, tiny_file):
    """The tiny recipe with this method, and of its tables those that the method needs."""
    values = tomllib.loads(tiny_file.read_text())
    needs = CATALOG.methods[request.param].made.needs
    values = {k: v for k, v in values.items() if k not in METHOD_TABLES or k in needs}
    values["method"] = {"name": request.param}
    return Task(recipes.parse(dumps(values), "tiny", (), CATALOG), CATALOG)


def weights(modules):
    return torch.cat([p.detach().flatten() for module in modules for p in module.parameters()])


def test_a_step_of_a_method_trains_every_network_in_its_phase_and_logs_finite_terms(task):
    step = step_of(task.recipe)
    before = {phase.name: weights(phase.trains) for phase in step.phases}
    losses = step(task.noise(CPU, 2))
    step.finish()
    for phase in step.phases:
        assert not torch.equal(before[phase.name], weights(phase.trains)), phase.name
    assert losses
    assert all(math.isfinite(float(value)) for value in losses.values())
    trained = {id(p) for phase in step.phases for m in phase.trains for p in m.parameters()}
    translating = step.method.translators().values()
    assert {id(p) for module in translating for p in module.parameters()} <= trained


def test_a_method_is_the_same_for_the_same_seed(task):
    one, other = (task.method(CPU).state_dict() for _ in range(2))
    assert [*one] == [*other]
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_each_translator_built_alone_takes_the_weights_of_a_checkpoint(task, tmp_path):
    step = step_of(task.recipe)
    state.snapshot_translators(tmp_path / "c", step, Position(), task)()
    assert {file.stem for file in (tmp_path / "c").glob("*.safetensors")} == {*task.directions}
    source, target = task.noise(CPU, 1)
    for name, trained in step.method.translators().items():
        alone = task.translator(name)
        load_into(alone, tmp_path / "c" / f"{name}.safetensors")
        given = source if task.directions[name] == "forward" else target
        with torch.no_grad():
            assert torch.equal(alone.eval()(given), trained.eval()(given)), name


@pytest.fixture(params=CATALOG.metrics.names())
def name(request):
    return request.param


@pytest.fixture
def metric(name):
    return built_metric(name)


def images(seed, count=2):
    """Large enough for five scales of structural similarity."""
    return torch.rand(count, 3, 176, 176, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def darker_images(seed, count=2):
    """Other images, and other ones as a whole."""
    return images(seed, count) * 0.4 - 0.5


def test_a_metric_is_best_where_output_and_target_are_equal(name, metric):
    equal = measured(name, metric, (images(0), images(0)))
    far = measured(name, metric, (darker_images(1), images(0)))
    assert math.isfinite(equal)
    assert (equal > far) == metric.higher_is_better


def test_a_metric_depends_on_no_order_and_no_batch_and_forgets_when_reset(name, metric):
    output, target = darker_images(1, 3), images(0, 3)
    whole = measured(name, metric, (output, target))
    alone = [*zip(output.split(1), target.split(1), strict=True)]
    assert measured(name, metric, *alone[::-1]) == pytest.approx(whole, rel=1e-4)
    assert measured(name, metric, (output, target)) == whole


@pytest.mark.parametrize("name", CATALOG.loggers.names())
def test_a_logger_writes_nothing_before_it_hears_that_a_training_begins(name, tiny, tmp_path):
    """`imtrans check` builds it too."""
    before = sorted(tmp_path.rglob("*"))
    CATALOG.loggers[name].build(tmp_path / "run", recipes.values_of(tiny))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", CATALOG.loggers.names())
def test_a_logger_hears_a_whole_training_and_can_continue(name, tiny, tmp_path):
    for begin, end in ((0, 4), (2, 6)):
        logger = CATALOG.loggers[name].build(tmp_path, recipes.values_of(tiny))
        assert isinstance(logger, Listener)
        logger.begun(Moment(begin, 12, 1, 2))
        for step in range(begin + 1, end + 1):
            at = Moment(step, 12, 1, 2)
            logger.stepped(at)
            logger.logged(at, Reading({"d": 1.0, "g": 0.5}, 2e-4, 10.0, 5.0, 0.1))
            logger.validated(at, {"l1": Measured(0.1, higher_is_better=False)}, step)
            logger.sampled(at, Image.new("RGB", (8, 8)))
            logger.saved(at, tmp_path)
            logger.said("a line")
        logger.closed()
