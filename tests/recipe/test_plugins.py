"""Plugins are found through entry points, and their faults are loud."""

import json
import sys
import tomllib
from importlib.metadata import EntryPoint, PathDistribution, entry_points
from textwrap import dedent

import pytest
from steps import step_of

from imtrans.api.errors import ImtransError
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import GROUP, catalog, collect
from imtrans.recipe.toml import dumps
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.step.trial import gradients

OWN = list(entry_points(group=GROUP, name="unet"))


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a plugin module; returns its entry point."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(code, name="strange_plugin"):
        (tmp_path / f"{name}.py").write_text(
            "from imtrans import hookimpl\nfrom typing import Annotated, Literal\n" + dedent(code)
        )
        monkeypatch.delitem(sys.modules, name, raising=False)
        return EntryPoint(name=name, value=name, group=GROUP)

    return write


GOOD = """
    @hookimpl
    def register_losses(register):
        register("nothing", lambda *, factor=1.0: lambda fake, target: factor * fake.sum())
"""


def test_the_core_is_found_by_the_road_of_strangers():
    values = {point.value for point in entry_points(group=GROUP)}
    for registry in catalog().registries.values():
        for component in registry:
            assert component.plugin.module in values


def test_the_metadata_of_a_distribution_are_parsed_once(monkeypatch):
    """That took longer than all the rest, with a README in each and forty entry points in ours."""
    parsed, parse = [], PathDistribution.metadata
    counting = property(lambda found: parsed.append(found) or parse.fget(found))
    monkeypatch.setattr(PathDistribution, "metadata", counting)
    points = [point for point in entry_points(group=GROUP) if point.dist]
    distributions = {id(point.dist) for point in points}
    parsed.clear()
    collect(points)
    assert len(parsed) == len(distributions) < len(points)


def test_a_strangers_component_stands_beside_ours(plugin):
    found = collect([*OWN, plugin(GOOD)])
    assert found.losses.names() == ["nothing"]
    assert "unet_256" in found.generators
    assert not found.broken


def test_a_taken_name_names_both_modules(plugin):
    code = """
        @hookimpl
        def register_generators(register):
            register("unet_256", lambda in_channels, out_channels: None)
    """
    with pytest.raises(ImtransError) as caught:
        collect([*OWN, plugin(code)])
    told = str(caught.value)
    assert "the generator name 'unet_256' is taken" in told
    assert "imtrans.components.generators.unet (imtrans " in told
    assert "strange_plugin" in told


def test_a_failing_import_is_named_and_costs_only_its_own_components(plugin):
    broken = plugin("import a_module_that_is_not_there", "broken_plugin")
    found = collect([*OWN, broken, plugin(GOOD)])
    (told,) = found.broken
    assert "broken_plugin" in told
    assert "ModuleNotFoundError: No module named 'a_module_that_is_not_there'" in told
    assert "nothing" in found.losses
    assert "unet_256" in found.generators


def test_a_hook_that_raises_is_named_and_costs_only_its_own_components(plugin):
    code = """
        @hookimpl
        def register_losses(register):
            raise RuntimeError("no licence")
    """
    found = collect([*OWN, plugin(code)])
    assert "RuntimeError: no licence" in found.broken[0]
    assert "unet_256" in found.generators


def test_a_misspelt_hook_is_an_error_with_the_hook_that_was_meant(plugin):
    code = """
        @hookimpl
        def register_loses(register):
            pass
    """
    with pytest.raises(
        ImtransError, match="unknown hook 'register_loses'; did you mean 'register_l"
    ):
        collect([plugin(code)])


def test_a_hook_without_its_mark_is_noticed(plugin):
    found = collect([plugin("def register_losses(register): ...")])
    assert "registers nothing; is '@hookimpl' missing" in found.broken[0]


def test_a_plugin_that_fails_halfway_leaves_nothing_behind(plugin):
    found = collect([plugin(GOOD + "        raise RuntimeError")])
    assert "RuntimeError" in found.broken[0]
    assert found.losses.names() == []


@pytest.mark.parametrize(
    ("builder", "told"),
    [
        (
            "lambda in_channels: None",
            "parameters are 'in_channels'; imtrans gives 'in_channels', 'out_channels'",
        ),
        ("lambda a, b, width: None", "options are keyword-only: put them after '\\*'"),
        ("lambda a, b, **options: None", "name every option"),
        ("lambda a, b, *, name='x': None", "the option 'name' is a key of the recipe itself"),
        ("lambda a, b, *, weight=1: None", "the option 'weight' is a key of the recipe itself"),
    ],
)
def test_a_builder_that_could_only_fail_later_is_refused(plugin, builder, told):
    code = f"""
        @hookimpl
        def register_generators(register):
            register("strange", {builder})
    """
    with pytest.raises(ImtransError, match=told):
        collect([plugin(code)])


def test_an_annotation_that_cannot_be_checked_is_refused(plugin):
    code = """
        class Odd: ...

        def build(*, odd: Odd = None): ...

        @hookimpl
        def register_losses(register):
            register("odd", build)
    """
    with pytest.raises(
        ImtransError, match="its option 'odd' is of type Odd, which a recipe cannot give"
    ):
        collect([plugin(code)])


def installed_with(*points):
    return collect([*entry_points(group=GROUP), *points])


def test_a_loss_may_not_take_a_name_that_the_method_logs(plugin, tiny_file):
    text = tiny_file.read_text()
    for name in ("d", "g"):
        installed = installed_with(plugin(GOOD.replace("nothing", name), f"plugin_{name}"))
        recipe = recipes.parse(text.replace('name = "l1"', f'name = "{name}"'), "r", (), installed)
        step = step_of(recipe, installed=installed)
        with pytest.raises(ImtransError, match=f"terms .*called '{name}'"):
            gradients(step, Task(recipe, installed).noise(step.device))


ALONE = """
    from imtrans.api.method import Method

    class Alone(Method):
        \"\"\"Without a game.\"\"\"
        needs = frozenset({"generator", "loss"})

        def __init__(self, parts, *, rate: float = 1.0): ...

    @hookimpl
    def register_methods(register):
        register("alone", Alone)
"""


def test_a_table_that_the_method_makes_no_use_of_is_an_error_with_its_line(plugin, tiny_file):
    installed = installed_with(plugin(ALONE))
    text = '[method]\nname = "alone"\n' + tiny_file.read_text().replace('title = "tiny"', "")
    with pytest.raises(ImtransError) as caught:
        recipes.parse(text, "r.toml", (), installed)
    rows = str(caught.value).splitlines()
    assert rows[0] == "r.toml: 2 problems"
    for table, row in zip(("discriminator", "adversarial"), rows[1:], strict=True):
        line = text.splitlines().index(f"[{table}]") + 1
        said = f"{table}: the method 'alone' makes no use of it; remove it"
        assert row == f"  line {line}  {said}"
    values = tomllib.loads(text)
    del values["discriminator"], values["adversarial"]
    recipe = recipes.parse(dumps(values), "r.toml", ("method.rate=0.5",), installed)
    assert recipe.method.options == {"rate": 0.5}


def test_a_method_that_is_no_class_of_a_method_is_refused(plugin):
    code = """
        @hookimpl
        def register_methods(register):
            register("odd", lambda parts: None)
    """
    with pytest.raises(ImtransError, match="method 'odd': its builder is not a class derived from"):
        collect([plugin(code)])


# As torchmetrics writes its own: nothing is keyword-only, and the rest goes to the base class.
METRIC = """
    from collections.abc import Callable, Sequence
    from functools import partial
    from typing import Any

    import torch

    class Similar(torch.nn.Module):
        \"\"\"How alike they are.\"\"\"

        higher_is_better: bool = True

        def __init__(
            self,
            gaussian_kernel: bool = True,
            sigma: float | Sequence[float] = 1.5,
            kernel_size: int = 11,
            reduction: Literal["elementwise_mean", "sum"] = "elementwise_mean",
            network: torch.nn.Module | None = None,
            weights: torch.Tensor | None = None,
            sync: Callable[[int], bool] | None = None,
            **kwargs: Any,
        ) -> None:
            super().__init__()
            self.given = (gaussian_kernel, sigma, kernel_size, reduction, network, kwargs)
            self.values = []

        def update(self, output, target):
            self.values.append(-(output - target).abs().mean())

        def compute(self):
            return torch.stack(self.values).mean()

        def reset(self):
            self.values.clear()

    class Distance(Similar):
        \"\"\"Of features.\"\"\"

        def __init__(self, feature: int, normalize: bool = False, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.given = (feature, normalize)

    @hookimpl
    def register_metrics(register):
        register("similar", Similar)
        register("distance", partial(Distance, feature=64))
"""


def test_a_metric_in_the_shape_of_torchmetrics_is_taken_as_it_is(plugin):
    metrics = collect([plugin(METRIC)]).metrics
    similar, distance = metrics["similar"], metrics["distance"]
    assert {"gaussian_kernel", "sigma", "kernel_size", "reduction"} <= {*similar.options}
    assert not {"network", "weights", "kwargs"} & {*similar.options}
    assert [*distance.options] == ["normalize"]
    kernel = similar.build(kernel_size=7, reduction="sum")
    assert kernel.given == (True, 1.5, 7, "sum", None, {})
    assert distance.build(normalize=True).given == (64, True)

    def told(**options):
        return [p.message for p in similar.check({"name": "similar", **options})]

    assert told(kernel_size=7, sigma=[1.5, 2.0]) == []
    assert told(kernel_size="wide") == ["'wide' is not a whole number"]
    assert told(reduction="mean") == ["'mean' is not one of 'elementwise_mean', 'sum'"]
    assert told(kernel_siez=7) == ["no key 'kernel_siez'; did you mean 'kernel_size'?"]


def test_such_a_metric_is_measured_and_can_decide_which_is_best(plugin, tiny_file, tmp_path):
    installed = installed_with(plugin(METRIC))
    text = (
        tiny_file.read_text()
        + """
[validate]
every = 4
metrics = [{name = "similar", kernel_size = 7}, "l1"]
"""
    )
    recipe = recipes.parse(text, "r.toml", (), installed)
    assert recipe.validation.best_metric == "similar"
    fit(Task(recipe, installed), tmp_path / "run")
    rows = (tmp_path / "run" / "validation.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [0, 4, 8, 12]
    for row in map(json.loads, rows):
        assert row["similar"] < 0 < row["l1"]


def test_a_metric_that_needs_more_than_a_recipe_can_give_is_refused(plugin):
    code = METRIC.replace("partial(Distance, feature=64)", "Distance")
    with pytest.raises(ImtransError, match="positional parameters are 'feature'; imtrans gives no"):
        collect([plugin(code)])


def test_options_are_checked_against_the_signature(plugin):
    code = """
        from pydantic import Field

        def build(
            *,
            mode: Literal["fast", "slow"],
            gain: Annotated[float, Field(gt=0)] = 1.0,
            n: int | None = None,
        ):
            return (mode, gain, n)

        @hookimpl
        def register_losses(register):
            register("typed", build)
    """
    component = collect([plugin(code)]).losses["typed"]
    assert component.build(mode="fast", n=3) == ("fast", 1.0, 3)

    def told(**options):
        return {p.location: p.message for p in component.check({"name": "typed", **options})}

    assert told(mode="fast", weight=3.0, gain=2) == {}
    assert told() == {("mode",): "the key 'mode' is missing"}
    assert told(mode="fats") == {("mode",): "'fats' is not one of 'fast', 'slow'"}
    assert told(mode="fast", gain=-1) == {("gain",): "-1 is not greater than 0"}
    assert told(mode="fast", n="x") == {("n",): "'x' is not a whole number"}
    assert told(mode="fast", gian=1.0)[("gian",)].startswith("no key 'gian'; did you mean 'gain'")


def test_a_broken_plugin_is_told_on_the_command_line(plugin, imtrans, monkeypatch):
    import imtrans.recipe.catalog as plugins_module

    broken = collect([*entry_points(group=GROUP), plugin("raise SystemExit(3)", "broken_plugin")])
    monkeypatch.setattr(plugins_module, "catalog", lambda: broken)
    code, out, err = imtrans("plugins")
    assert code == 0
    assert "unet_256" in out
    assert "warning: plugin broken_plugin (unknown ?) cannot be used: SystemExit: 3" in err
