"""How one option becomes one value, where nothing else plays a part."""

from collections.abc import Callable

from imtrans.drafting.published.options import Options, Refused


def text(options: Options, flag: str) -> str:
    return options.value(flag)


def seed(options: Options, flag: str) -> int | None:
    return None if options.value(flag) in ("", "None") else options.whole(flag)


def whole(options: Options, flag: str) -> int:
    return options.whole(flag)


def count(options: Options, flag: str) -> int:
    """A whole number from 1."""
    if not options.whole(flag):
        raise Refused(f"--{flag} 0 is not 1 or more")
    return options.whole(flag)


def weight(options: Options, flag: str) -> float:
    """A number from 0."""
    if options.number(flag) < 0:
        raise Refused(f"--{flag} {options.value(flag)} is below 0")
    return options.number(flag)


def rate(options: Options, flag: str) -> float:
    """A number above 0."""
    if options.number(flag) <= 0:
        raise Refused(f"--{flag} {options.value(flag)} is not above 0")
    return options.number(flag)


def switch(on: bool) -> Callable[[Options, str], bool]:
    """A switch, as what a key is where the switch is on."""

    def how(options: Options, flag: str) -> bool:
        return on if options.is_on(flag) else not on

    return how


def steps(options: Options, flag: str) -> int | None:
    """Every so many images, as steps; None where the option is not given."""
    if flag not in options.given:
        return None
    return max(1, options.whole(flag) // max(1, options.whole("batch_size")))
