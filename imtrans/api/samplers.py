"""What a translator that samples says of itself, beside `draws = True`: how many times it evaluates
a network for an output (`nfe`), and which noise it can be given (`noise_channels`)."""

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError

NFE = "nfe"


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


def noise_channels(translator: nn.Module) -> int | None:
    """Of the noise (N, channels, H, W) that it takes beside the source; None where it takes none.
    They may depend on its `nfe`."""
    found = getattr(translator, "noise_channels", None)
    takes = getattr(translator, "draws", False) and isinstance(found, int)
    return int(found) if takes else None  # type: ignore[arg-type]  # an int: it takes any


def noise_for(source: Tensor, channels: int, generator: torch.Generator | None = None) -> Tensor:
    """Standard normal values for each source (N, C, H, W), of its size, on the device of the
    generator: of the source, where there is none."""
    count, _, height, width = source.shape
    device = generator.device if generator else source.device
    return torch.randn(count, channels, height, width, generator=generator, device=device)
