"""Connections on which nothing is asked do not last; what ends a server ends it in order."""

import asyncio
import os
import signal
import time

import pytest

from imtrans.serving.connections import patient_protocol
from imtrans.serving.server import _ended_by_signals


async def answer(scope, receive, send):
    await asyncio.sleep(0.3)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"late"})


async def lasted(sent):
    """What comes on a connection on which that is sent, until it is closed, and when (s)."""
    uvicorn = pytest.importorskip("uvicorn")
    config = uvicorn.Config(answer, lifespan="off", log_config=None)
    config.load()
    made, state = patient_protocol(0.05), uvicorn.server.ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: made(config, state, {}), "127.0.0.1", 0
    )
    start = time.monotonic()
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(sent)
    found = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    server.close()
    return found, time.monotonic() - start


@pytest.mark.parametrize("sent", [b"", b"GET / HTT"])
def test_a_connection_that_asks_for_nothing_is_closed(sent):
    found, seconds = asyncio.run(lasted(sent))
    assert (found, seconds < 1) == (b"", True)


def test_one_that_waits_for_its_answer_is_not():
    found, seconds = asyncio.run(lasted(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert found.endswith(b"late\r\n0\r\n\r\n")
    assert 0.3 < seconds < 2


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_the_block_in_order(name, monkeypatch):
    number, cleaned = getattr(signal, name), []
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with _ended_by_signals():
            try:
                os.kill(os.getpid(), number)
                time.sleep(5)
            finally:
                cleaned.append(1)
        assert cleaned == [1]
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
