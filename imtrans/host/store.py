"""Where the ranks of a job find each other, and leave what the others are to know.

torchrun keeps one store for a whole job. A group that starts again after a failure finds in it what
the processes before it have left, and would connect to those; so the ranks first agree on a name
that nobody has used, and keep to what is below it.
"""

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from imtrans.api.errors import ImtransError, some
from imtrans.host.ranks import Rank

if TYPE_CHECKING:
    from torch.distributed import Store

LONGEST = 600.0  # seconds in which all have to come
PAUSE = 0.02


def common_store(rank: Rank, longest: float = LONGEST) -> "Store":
    """A new store that all ranks of a job share, for as long as they live. Raises ImtransError when
    one of them does not come."""
    from torch.distributed import PrefixStore, rendezvous

    try:
        store, _, _ = next(rendezvous("env://", rank=rank.number, world_size=rank.of))
    except (RuntimeError, ValueError, OSError) as error:
        reason = next(iter(str(error).splitlines()), "")
        raise ImtransError(
            f"{rank}: cannot reach the other {rank.of - 1}: {reason}. start all of them with "
            "torchrun, and see that MASTER_ADDR and MASTER_PORT can be reached from here"
        ) from error
    return PrefixStore(_agreed_name(PrefixStore("imtrans", store), rank, longest), store)


def _agreed_name(store: "Store", rank: Rank, longest: float) -> str:
    """A name that rank 0 makes up, when it has heard of all that live now: each says a word that
    nobody has said before, and takes only a name that comes with it."""
    word, end = uuid.uuid4().hex, time.monotonic() + longest
    store.set(f"here {rank.number}", word)
    name, words = uuid.uuid4().hex, [""] * rank.of
    while time.monotonic() < end:
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
    raise ImtransError(f"{rank}: waited {longest:.0f} s for {who}, which did not come")


def _heard(store: "Store", number: int) -> str:
    return store.get(f"here {number}").decode() if store.check([f"here {number}"]) else ""
