"""The server itself: where it listens, what it consists of, and how it ends."""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans.api.extras import imported
from imtrans.serving.access import Access
from imtrans.serving.connections import patient_protocol
from imtrans.serving.drawing import Drawing
from imtrans.serving.gate import LOCAL, Gate
from imtrans.serving.limits import Limits
from imtrans.serving.served import Served
from imtrans.serving.storage import Storage, opened_storage
from imtrans.serving.uploads import take_files_alone

PATIENCE = 2  # s: for what is under way when the server ends
SESSIONS = 64  # pages whose last values gradio keeps
# Of gradio and what it brings: no statistics, no question for a newer version, no tunnel, no hub.
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    # It keeps statistics of the last 10,000 calls, and computes them all again after each.
    "GRADIO_ANALYTICS_MAX_EVENTS": "16",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(10**9),
    "GRADIO_SHARE": "False",
    "GRADIO_ALLOWED_PATHS": "",
    "GRADIO_NODE_SERVER_NAME": "",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        return self.host in LOCAL or self.host.startswith("127.")

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"


def check_installed() -> None:
    """Raise ImtransError where the extra is missing. It is imported later."""
    if find_spec("gradio") is None:
        imported("gradio", extra="serve")


def serve(
    runs: Sequence[Served],
    drawing: Drawing | None,
    listening: socket.socket,
    address: Endpoint,
    access: Access,
    limits: Limits,
    ready: Callable[[], None],
) -> None:
    """Serve runs until Ctrl-C, SIGTERM, or the end of its terminal. `ready` is called when the page
    can be opened."""
    with _ended_by_signals(), opened_storage(limits.stored_bytes) as storage:
        # Before gradio is imported, which makes folders then.
        os.environ.update(QUIET | {"GRADIO_TEMP_DIR": str(storage.folder)})
        uvicorn = imported("uvicorn", extra="serve")
        app = application(runs, drawing, storage, access, limits, address)
        config = uvicorn.Config(
            app,
            log_level="critical",  # what fails is said by the gate; an interruption is none
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=PATIENCE,
            timeout_keep_alive=30,
            server_header=False,
            http=patient_protocol(),
            ws="none",
        )
        _server(uvicorn, ready)(config).run(sockets=[listening])


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """What ends the server ends the block, with everything cleaned up. Uvicorn raises a signal
    again when all is closed."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has one of them
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)
    with suppress(KeyboardInterrupt):
        yield


def _server(uvicorn: Any, ready: Callable[[], None]) -> Any:
    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            ready()

    return Server


def application(
    runs: Sequence[Served],
    drawing: Drawing | None,
    storage: Storage,
    access: Access,
    limits: Limits,
    address: Endpoint,
) -> Gate:
    """Gradio's application behind the gate."""
    gradio = imported("gradio", extra="serve")
    fastapi = imported("fastapi", extra="serve")
    responses = imported("fastapi.responses", extra="serve")
    from imtrans.serving.calls import Calls
    from imtrans.serving.page.building import page
    from imtrans.serving.page.look import look

    take_files_alone()
    blocks = page(runs, drawing, Calls(runs, drawing, storage, limits))
    blocks.state_session_capacity = SESSIONS
    # Answers that nobody fetches, and the names of calls, are kept for the last sessions alone.
    queue = blocks._queue
    queue.pending_messages_per_session.max_size = limits.connections
    queue.pending_event_ids_session = gradio.utils.LRUCache(4 * limits.connections)
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    own = Path(__file__).parent.parent / "board"
    for name in ("board.js", "board.css"):
        app.add_api_route(f"/board/{name}", _file(responses.FileResponse, own / name))
    gradio.mount_gradio_app(
        app,
        blocks,
        path="/",
        server_name=address.host,
        server_port=address.port,
        show_error=False,
        max_file_size=limits.file_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        pwa=False,
        mcp_server=False,
        footer_links=[],
        **look(),
    )
    return Gate(app, access, limits, storage, is_local=address.is_local)


def _file(response: Any, path: Path) -> Callable[[], Any]:
    async def found() -> Any:
        return response(path)

    return found


@contextmanager
def listening_at(address: Endpoint) -> Iterator[socket.socket]:
    """A socket there. Raises ImtransError where there can be none."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as found:
        if os.name == "posix":  # elsewhere it would share the port of another server
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((address.host, address.port))
            found.listen(128)
        except socket.gaierror as error:
            raise ImtransError(f"--host: no machine '{address.host}'") from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ImtransError(
                f"port {address.port} of {address.host}: {reason}. choose another --port"
            ) from error
        yield found
