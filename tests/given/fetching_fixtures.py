"""Fixtures for test files that name this module in `pytest_plugins`: a server, and the command."""

from dataclasses import replace

import pytest
from misbehaving import ARCHIVE, serving

from imtrans.data.fetching import download, sets


@pytest.fixture
def server(monkeypatch):
    """The server; the set 'facades' is as big as what it serves, and nobody waits long."""
    server = serving(ARCHIVE)
    monkeypatch.setitem(sets.SETS, "facades", replace(sets.SETS["facades"], size=len(ARCHIVE)))
    monkeypatch.setattr(download, "PAUSES", (0.01,) * 5)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(imtrans, server):
    """Fetch facades from the server; returns (exit code, stdout, stderr)."""

    def call(*more):
        return imtrans("data", "fetch", "facades", *more, "--mirror", server.address)

    return call
