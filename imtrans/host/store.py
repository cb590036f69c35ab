"""Where the ranks of a job find each other, and leave what the others are to know.

torchrun keeps one store for a whole job. A group that starts again after a failure finds in it what
the processes before it have left, and would connect to those; so the ranks first agree on a name
that nobody has used, and keep to what is below it.
"""

import json
import os
import socket
import time
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from imtrans.api.errors import ImtransError, some
from imtrans.host.ranks import Rank

if TYPE_CHECKING:
    from torch.distributed import Store

LONGEST = 600.0  # seconds in which all have to come
ATTEMPT = 5.0  # likewise, of one attempt
PAUSE = 0.02


def common_store(rank: Rank, longest: float = LONGEST) -> "Store":
    """A new store that all ranks of a job share, for as long as they live. Raises ImtransError when
    one of them does not come."""
    from torch.distributed import PrefixStore

    until = time.monotonic() + longest
    store = _connected(rank, longest)
    return PrefixStore(_agreed_name(PrefixStore("imtrans", store), rank, until), store)


def _connected(rank: Rank, longest: float) -> "Store":
    """The store that torchrun keeps, or else rank 0. It does not wait for the others: who of them
    is missing is found out below."""
    from torch.distributed import TCPStore

    address, port = _told("MASTER_ADDR"), _port(_told("MASTER_PORT"))
    here = rank.leads and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    seconds = timedelta(seconds=longest)
    try:
        if not here:
            _wait_for_server(address, port, time.monotonic() + longest)
        return TCPStore(
            address, port, rank.of, here, timeout=seconds, wait_for_workers=False, multi_tenant=True
        )
    except (RuntimeError, ValueError, OSError) as error:
        reason = next(iter(str(error).splitlines()), "")
        raise ImtransError(
            f"{rank}: cannot reach the other {rank.of - 1} at {address}:{port}: {reason}. start "
            "all of them with torchrun, and see that this address can be reached from here"
        ) from error


def _wait_for_server(address: str, port: int, until: float) -> None:
    """Until somebody answers there; torch's own waiting hears no Ctrl-C, and writes whole pages."""
    while True:
        try:
            socket.create_connection((address, port), timeout=ATTEMPT).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(10 * PAUSE)


def _told(name: str) -> str:
    """An environment variable that torchrun sets."""
    if text := os.environ.get(name):
        return text
    raise ImtransError(
        f"the environment variable {name} is not set, as WORLD_SIZE = {os.environ['WORLD_SIZE']} "
        "needs it. start the processes with torchrun, or unset RANK and WORLD_SIZE"
    )


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 2**16:
        return int(text)
    raise ImtransError(f"the environment variable MASTER_PORT is '{text}', and no port")


def _agreed_name(store: "Store", rank: Rank, until: float) -> str:
    """A name that rank 0 makes up, when it has heard of all that live now: each says a word that
    nobody has said before, and takes only a name that comes with it."""
    word, begun = uuid.uuid4().hex, time.monotonic()
    store.set(f"here {rank.number}", word)
    name, words = uuid.uuid4().hex, [""] * rank.of
    while time.monotonic() < until:
        if rank.leads:
            heard = [_heard(store, number) for number in range(rank.of)]
            if heard != words and all(heard):
                words = heard
                store.set("name", json.dumps([name, words]))
            if all(words) and store.check([f"{name} {number}" for number in range(1, rank.of)]):
                return name
        elif store.check(["name"]):
            found: Any = json.loads(store.get("name"))
            if found[1][rank.number] == word:
                store.set(f"{found[0]} {rank.number}", "taken")
                return str(found[0])
        time.sleep(PAUSE)
    missing = [number for number in range(rank.of) if not _heard(store, number)]
    who = some(f"rank {number}" for number in missing) or "one of the ranks"
    raise ImtransError(
        f"{rank}: waited {time.monotonic() - begun:.0f} s for {who}, which did not come"
    )


def _heard(store: "Store", number: int) -> str:
    return store.get(f"here {number}").decode() if store.check([f"here {number}"]) else ""
