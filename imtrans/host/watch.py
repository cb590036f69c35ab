"""Who of a group is still there, and still working: the others wait for it without end otherwise.

Each rank tells the common store once a second how far it is, in a thread beside its work. A rank
that is not heard of any more is dead; one that is heard of, but is behind the others and gets no
further, hangs. Either ends the job with a line that names it.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, NoReturn

from imtrans.api.errors import ImtransError
from imtrans.host.ranks import Rank
from imtrans.host.terminal import Terminal, say

EVERY = 1.0  # seconds between two signs of life
DEAD = 30.0  # seconds without a sign of life, as a machine that swaps may need
DEAD_AFTER_A_FAULT = 5.0  # when a connection broke, somebody is likely to be
PAUSE = 0.02
EXIT = 1


class Lost(ImtransError):
    """Another rank has ended, or hangs: this one cannot go on."""


class Watching:
    """What a process tells of its work; alone, to nobody."""

    def at(self, doing: str) -> None:
        """This is what it does next."""

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within, it waits for the other ranks."""
        yield

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Within, it does what may take any time."""
        yield


@dataclass
class RankSeen:
    """What is known of a rank: its last sign of life, and when it got further last (s)."""

    name: str
    sign: int = -1
    heard: float = 0.0
    progress: int = -1
    moved: float = 0.0
    doing: str = ""
    waits: bool = False
    patient: bool = False
    gone: bool = False  # it has said that it ends


class RankWatch(Watching):
    """Tells how far this rank is, and watches the others. `patience`: seconds without progress
    after which a rank counts as hung."""

    def __init__(self, rank: Rank, store: Any, patience: float) -> None:
        self.rank, self.store, self.patience = rank, store, patience
        self._doing, self._progress, self._patient, self._waits = "starting", 0, False, False
        self._sign, self._done = 0, threading.Event()
        self._lock = threading.Lock()
        now = monotonic()
        self._seen = [RankSeen(f"rank {at}", heard=now, moved=now) for at in range(rank.of)]
        self._thread = threading.Thread(target=self._run, name="imtrans-watch", daemon=True)

    def begin(self) -> None:
        self._tell()
        self._thread.start()

    def end(self) -> None:
        """The work is done, or has failed with a message of its own."""
        self._done.set()
        with suppress(Exception):
            self.store.set(f"gone {self.rank.number}", "1")

    def leave(self, longest: float = DEAD) -> None:
        """End, and wait for the others to have done so: who closes its connections while another
        rank still reads its last message from them breaks them. Rank 0, which may keep the store,
        goes last."""
        self.end()
        self._thread.join(longest)
        until = monotonic() + longest
        with suppress(Exception):
            self._wait_until_all("gone", until)
            self.store.set(f"left {self.rank.number}", "1")
            if self.rank.leads:
                self._wait_until_all("left", until)

    def _wait_until_all(self, are: str, until: float) -> None:
        keys = [f"{are} {number}" for number in range(self.rank.of)]
        while not self.store.check(keys) and monotonic() < until:
            sleep(PAUSE)

    def at(self, doing: str) -> None:
        self._doing, self._progress = doing, self._progress + 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Raises Lost when the connection to another rank breaks."""
        self._progress += 1
        self._waits = True
        try:
            yield
        except RuntimeError as error:
            if self._is_of_connections(error):
                self._explain(error)
            raise
        finally:
            self._waits = False

    @contextmanager
    def patient(self) -> Iterator[None]:
        self._patient = True
        try:
            yield
        finally:
            self._patient = False
            self._progress += 1

    @staticmethod
    def _is_of_connections(error: RuntimeError) -> bool:
        """Whether this is a fault between ranks, and none of a tensor."""
        text = f"{type(error).__name__} {error}".lower()
        words = ("gloo", "nccl", "connection", "socket", "peer", "broken pipe", "timed out")
        return any(word in text for word in words)

    # --- the thread beside the work ---

    def _run(self) -> None:
        while not self._done.wait(EVERY):
            try:
                with self._lock:
                    self._tell()
                    self._look()
            except Exception:  # the store is gone, and with it the machine that kept it
                if self._done.is_set():
                    return  # meanwhile all was done
                self._speak_and_exit(
                    "the process that keeps the ranks together cannot be reached any more"
                )
            if (reason := self._trouble(DEAD)) and not self._done.is_set():
                self._speak_and_exit(reason)

    def _tell(self) -> None:
        self._sign += 1
        sign = {
            "sign": self._sign,
            "name": str(self.rank),
            "progress": self._progress,
            "doing": self._doing,
            "waits": self._waits,
            "patient": self._patient,
        }
        self.store.set(f"at {self.rank.number}", json.dumps(sign))

    def _look(self) -> None:
        now = monotonic()
        for number, seen in enumerate(self._seen):
            if not self.store.check([f"at {number}"]):
                continue
            sign = json.loads(self.store.get(f"at {number}"))
            if sign["sign"] != seen.sign:
                seen.sign, seen.heard = sign["sign"], now
            if sign["progress"] != seen.progress:
                seen.progress, seen.moved = sign["progress"], now
            seen.name, seen.doing = sign["name"], sign["doing"]
            seen.waits, seen.patient = sign["waits"], sign["patient"]
            seen.gone = self.store.check([f"gone {number}"])

    def _trouble(self, dead_after: float) -> str | None:
        """What is wrong with another rank, or this one."""
        now = monotonic()
        gone = [seen for seen in self._seen if seen.gone]
        here = [seen for seen in self._seen if not seen.gone]
        for seen in here:
            if now - seen.heard > dead_after:
                return (
                    f"{seen.name} has ended, or its machine is gone: nothing was heard of it for "
                    f"{now - seen.heard:.0f} s. what it printed last may say why"
                )
        hung = [s for s in here if now - s.moved > self.patience and not s.patient]
        working = [seen for seen in hung if not seen.waits]
        if working:  # the others wait for it
            seen = working[0]
            return (
                f"{seen.name} hangs: no progress for {now - seen.moved:.0f} s ({seen.doing}). its "
                "machine or its disk may be too slow; --patience SECONDS waits longer"
            )
        if len(hung) < len(here) or not here:
            return None
        if gone:
            return self._ended(gone[0])
        return (
            f"all {len(hung)} ranks wait for each other, for {self.patience:.0f} s. is the network "
            "between their machines broken?"
        )

    @staticmethod
    def _ended(seen: RankSeen) -> str:
        return f"{seen.name} has ended with an error of its own"

    # --- what follows ---

    def _explain(self, error: RuntimeError) -> NoReturn:
        """A connection broke: find out who is gone, and say so."""
        end, reason = monotonic() + DEAD_AFTER_A_FAULT + 2 * EVERY, None
        while reason is None and monotonic() < end:
            self._done.wait(EVERY / 4)
            reason = self._gone() or self._trouble(DEAD_AFTER_A_FAULT)
        told = next(iter(str(error).splitlines()), "")
        self._done.set()
        raise Lost(self._message(reason or f"the connection to another rank broke ({told})"))

    def _gone(self) -> str | None:
        """Who has said itself that it ends."""
        with suppress(Exception), self._lock:
            self._look()
        return next((self._ended(seen) for seen in self._seen if seen.gone), None)

    def _message(self, reason: str) -> str:
        return f"{reason}. the same command continues after the newest checkpoint"

    def _speaks(self) -> bool:
        """Whether this is the one that says it: the first that lives."""
        now = monotonic()
        living = [at for at, seen in enumerate(self._seen) if now - seen.heard < DEAD]
        return self.rank.number == min(living, default=self.rank.number)

    def _speak_and_exit(self, reason: str) -> NoReturn:
        """End this process from beside its work, which waits for what never comes."""
        if self._speaks():
            say(Terminal(stderr=True), f"error: {self._message(reason)}")
        os._exit(EXIT)
