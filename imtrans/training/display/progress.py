"""A reading of the losses in words, for every display."""

from imtrans.api.listener import Moment, Reading


def speed(reading: Reading) -> list[str]:
    """How fast it is, and the share of time in which it waits for data."""
    return [f"{reading.images_per_second:.1f} images/s", f"data wait {reading.waiting:.0%}"]


def losses(reading: Reading) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in reading.losses.items())


def seconds_left(at: Moment, reading: Reading) -> float:
    return (at.steps - at.step) / max(reading.steps_per_second, 1e-9)
