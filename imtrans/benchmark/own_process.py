"""Call a function in a fresh process, so that its memory can be measured and may run out."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import torch

from imtrans.api.errors import ImtransError, is_out_of_memory

T = TypeVar("T")


class NoMemory(Exception):
    """The function needs more memory than is available."""


def in_own_process(function: Callable[..., T], *arguments: object) -> T:
    """function(*arguments) in a fresh Python process with as many torch threads as this one.

    Function, arguments and result must be picklable. Raises NoMemory if memory runs out or the
    process is killed, ImtransError if the function does, and RuntimeError with the text of any
    other exception. The process ends with this call, also after Ctrl-C.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    threads = torch.get_num_threads()
    process = context.Process(target=_answer, args=(sender, threads, function, arguments))
    with _ignoring_interrupts():
        process.start()  # the child inherits it: only the parent reacts to Ctrl-C
    sender.close()
    try:
        kind, value = receiver.recv()
    except EOFError:
        process.join()
        raise NoMemory(f"its process ended with code {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if kind == "result":
        answer: T = value
        return answer
    raise {"memory": NoMemory, "mistake": ImtransError}.get(kind, RuntimeError)(value)


def _answer(
    sender: Connection, threads: int, function: Callable[..., Any], arguments: tuple[object, ...]
) -> None:
    try:
        torch.set_num_threads(threads)
        sender.send(("result", function(*arguments)))
    except ImtransError as error:
        sender.send(("mistake", str(error)))
    except Exception as error:
        kind = "memory" if is_out_of_memory(error) else "fault"
        sender.send((kind, f"{type(error).__name__}: {error}"))


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signal handlers
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
