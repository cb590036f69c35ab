"""Training as a person watches it: a live view in a terminal, plain lines anywhere else."""

from rich.console import Console

from imtrans.training.display.lines import PlainLines
from imtrans.training.display.live import LiveView


def display(console: Console) -> LiveView | PlainLines:
    """The display that suits this console."""
    in_terminal = console.is_terminal and not console.is_dumb_terminal
    return LiveView(console) if in_terminal else PlainLines(console)
