"""Plugins are found through entry points, and their faults are loud."""

import sys
from importlib.metadata import EntryPoint, entry_points
from textwrap import dedent

import pytest

from imtrans.api.errors import ImtransError
from imtrans.recipe.catalog import GROUP, catalog, collect

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
    with pytest.raises(ImtransError, match="the annotation of an option cannot be checked"):
        collect([plugin(code)])


def test_a_loss_may_not_take_a_name_of_the_log(plugin):
    with pytest.raises(ImtransError, match="the loss name 'd' is used by the log"):
        collect([plugin(GOOD.replace("nothing", "d"))])


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
