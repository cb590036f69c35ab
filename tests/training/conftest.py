"""What the tests of trainings share: the tiny recipe on the engine that is used where nothing is
said of one, and trainings to be killed."""

import signal

import pytest
from killing import Runner, Stage
from tiny_recipe import write_tiny

from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.fit import fit


@pytest.fixture
def tiny_engine():
    return "auto"


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory):
    """A folder in which that recipe was trained to its end."""
    folder = tmp_path_factory.mktemp("trained")
    recipe = recipes.read(write_tiny(folder, "auto"), catalog=catalog())
    fit(Task(recipe, catalog()), folder / "run")
    return folder


@pytest.fixture(scope="session")
def stage(tmp_path_factory):
    """Trainings to be killed and restarted, and how each ends where nothing disturbs it."""
    if not hasattr(signal, "sigtimedwait"):
        pytest.skip("needs fork and sigtimedwait, as Linux has")
    with Runner() as runner:
        yield Stage(tmp_path_factory.mktemp("stage"), runner)
