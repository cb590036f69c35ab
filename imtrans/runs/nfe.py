"""How many times a translator evaluates its network for one output, where that can be chosen."""

from torch import nn

from imtrans.api.errors import ImtransError

NFE = "nfe"  # the attribute of a translator, and what a header says of each


def nfe_of(translator: nn.Module) -> int | None:
    """The number of network evaluations; None for a translator that has none to choose."""
    found = getattr(translator, NFE, None)
    return int(found) if isinstance(found, int) else None


def set_nfe(translator: nn.Module, nfe: int, name: str) -> None:
    """Have it take so many. Raises ImtransError where it cannot; `name` is the translator's."""
    if nfe_of(translator) is None:
        raise ImtransError(
            f"nfe {nfe}: the translator '{name}' has no number of network evaluations to choose; "
            "leave it out"
        )
    if not isinstance(nfe, int) or nfe < 1:
        raise ImtransError(f"nfe {nfe}: the number of network evaluations is 1 or more")
    try:
        setattr(translator, NFE, nfe)
    except ValueError as error:  # of a property that does not take every number
        raise ImtransError(f"nfe {nfe}: {error}") from error
