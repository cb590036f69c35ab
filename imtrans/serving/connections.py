"""Connections that ask for nothing: uvicorn keeps them forever, and there is room for so many."""

from typing import Any

from imtrans.api.extras import imported

IDLE = 30.0  # s: a connection without a whole head of a request lasts twice as long at most


def patient_protocol(seconds: float = IDLE) -> type:
    """Uvicorn's protocol, which closes a connection on which no request begins."""
    h11 = imported("uvicorn.protocols.http.h11_impl", extra="serve")

    class Patient(h11.H11Protocol):  # type: ignore[name-defined]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._look(())

        def connection_lost(self, exc: Exception | None) -> None:
            self._next_look.cancel()
            super().connection_lost(exc)

        def _look(self, before: tuple[object, ...]) -> None:
            answered = self.cycle is None or self.cycle.response_complete
            now = (self.cycle,) if answered else ()
            if now and now == before:  # nothing has begun since
                self.transport.close()
            else:
                self._next_look = self.loop.call_later(seconds, self._look, now)

    return Patient
