"""What every rank of a job has to say, brought to rank 0.

Ranks meet in the store in which torchrun's processes find each other: nothing else has to be set
up.
"""

import json
import time
from typing import TYPE_CHECKING, Any

from imtrans.host.ranks import Rank
from imtrans.host.store import common_store

if TYPE_CHECKING:
    from torch.distributed import Store

PAUSE = 0.1  # seconds between two looks at what the others have said
PIECE = 2**22  # letters: torch's store takes 8 MiB at once


class Meeting:
    """Where ranks say one thing each. To be entered at the start of a job: ranks that wait for
    one that does not come give up after ten minutes."""

    def __init__(self, rank: Rank) -> None:
        self._rank = rank
        self._store = None if rank.alone else common_store(rank)

    def gathered(self, said: Any) -> list[Any] | None:
        """What each rank says, in their order, for rank 0, which waits until all have: whatever
        JSON can hold. None for the others, which need not wait.

        Where a rank fails, torchrun ends all of them.
        """
        if self._store is None:
            return [said]
        self._say(self._store, _key(self._rank.number), json.dumps(said))
        if not self._rank.leads:
            return None
        return [self._heard(number) for number in range(self._rank.of)]

    def _say(self, store: "Store", key: str, text: str) -> None:
        pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
        for number, piece in enumerate(pieces):
            store.set(f"{key}/{number}", piece)
        store.set(key, str(len(pieces)))  # the last: then all of it is there

    def _heard(self, number: int) -> Any:
        store, key = self._store, _key(number)
        assert store is not None
        # Not by a waiting `get`, which Ctrl-C does not reach, and which gives up some time.
        while not store.check([key]):
            time.sleep(PAUSE)
        pieces = [store.get(f"{key}/{at}").decode() for at in range(int(store.get(key)))]
        return json.loads("".join(pieces))


def _key(number: int) -> str:
    return f"imtrans/said/{number}"
