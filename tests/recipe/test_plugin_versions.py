"""A plugin may say for which version of the API it was written."""

from importlib.metadata import EntryPoint, entry_points
from types import SimpleNamespace

import pytest

import imtrans
from imtrans.api import version
from imtrans.api.hookspecs import hookimpl
from imtrans.api.version import BreakingChange
from imtrans.recipe.catalog import GROUP, catalog, collect


@hookimpl
def register_losses(register):
    register("strange", lambda: None)


@hookimpl
def register_layouts(register):
    register("strange", lambda root: None)


RENAMED = BreakingChange(
    2,
    "a loss is called with a mask",
    "take a third argument",
    frozenset({"register_losses"}),
)


def collected(monkeypatch, declared=None, *, hooks=(register_losses,)):
    """The catalog of a plugin that says that it was written for a version."""
    values = {hook.__name__: hook for hook in hooks}
    if declared is not None:
        values["IMTRANS_API"] = declared
    point = EntryPoint("strange", "strange", GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda _: SimpleNamespace(**values))
    return collect([point])


@pytest.mark.parametrize("declared", [None, version.VERSION])
def test_a_plugin_for_this_version_or_without_one_is_used(monkeypatch, declared):
    assert "strange" in collected(monkeypatch, declared).losses


def test_a_plugin_for_a_newer_version_says_that_imtrans_is_to_be_upgraded(monkeypatch):
    assert collected(monkeypatch, version.VERSION + 1).broken == [
        f"plugin strange (unknown ?) cannot be used: it was written for version "
        f"{version.VERSION + 1} of the plugin API, and imtrans {imtrans.__version__} has version "
        f"{version.VERSION}: pip install --upgrade imtrans"
    ]


def test_one_with_a_hook_that_is_not_known_yet_says_so_too(monkeypatch):
    @hookimpl
    def register_unheard_of(register): ...

    found = collected(monkeypatch, version.VERSION + 1, hooks=[register_unheard_of])
    assert "pip install --upgrade imtrans" in found.broken[0]


def test_a_plugin_from_before_a_breaking_change_says_what_to_do(monkeypatch):
    monkeypatch.setattr(version, "VERSION", 2)
    monkeypatch.setattr(version, "CHANGES", (RENAMED,))
    found = collected(monkeypatch, 1)
    assert found.broken == [
        "plugin strange (unknown ?) cannot be used: it was written for version 1 of the plugin "
        "API. since version 2 a loss is called with a mask: take a third argument. a newer release "
        "may have done so: pip install --upgrade unknown"
    ]
    assert "strange" not in found.losses
    assert "strange" in collected(monkeypatch, 2).losses
    assert "strange" in collected(monkeypatch).losses  # it counts as written for this one


def test_a_change_concerns_only_plugins_with_its_hooks(monkeypatch):
    monkeypatch.setattr(version, "VERSION", 2)
    monkeypatch.setattr(version, "CHANGES", (RENAMED,))
    assert "strange" in collected(monkeypatch, 1, hooks=[register_layouts]).layouts


@pytest.mark.parametrize("declared", ["1", 0, 1.0])
def test_what_is_no_version_is_refused(monkeypatch, declared):
    (said,) = collected(monkeypatch, declared).broken
    assert f"its IMTRANS_API is {declared!r}, not a whole number from 1" in said


def test_our_own_plugins_say_it():
    for point in entry_points(group=GROUP):
        if point.dist.name.startswith("imtrans-"):
            assert point.load().IMTRANS_API == version.VERSION, point.value
    assert not catalog().broken
