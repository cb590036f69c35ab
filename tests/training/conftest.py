"""What the tests of killed and of failing trainings share."""

import signal

import pytest
from killing import Runner, Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory):
    """Trainings to be killed and restarted, and how each ends where nothing disturbs it."""
    if not hasattr(signal, "sigtimedwait"):
        pytest.skip("needs fork and sigtimedwait, as Linux has")
    with Runner() as runner:
        yield Stage(tmp_path_factory.mktemp("stage"), runner)
