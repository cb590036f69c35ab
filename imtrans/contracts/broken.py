"""The one error of a component that does not keep its contract."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.host.foreign import reason


class BrokenContract(ImtransError):
    """What a component did, what its contract says, and what its author can do about it.

    As text it is one line for a user; `lesson` is the same for the author, a line for each.
    """

    def __init__(self, subject: object, found: str, contract: str, remedy: str) -> None:
        self.subject, self.found = str(subject), found
        self.contract, self.remedy = contract, remedy
        super().__init__(
            f"{self.subject} breaks its contract: {found}. {contract}. to do: {remedy}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """As it passes between processes."""
        return BrokenContract, (self.subject, self.found, self.contract, self.remedy)

    @property
    def lesson(self) -> str:
        return "\n".join(
            [
                f"{self.subject} breaks its contract",
                f"  found:     {self.found}",
                f"  contract:  {self.contract}",
                f"  to do:     {self.remedy}",
            ]
        )


@contextmanager
def naming(subject: object) -> Iterator[None]:
    """Whatever a third party's component raises when it is probed names it; a lack of memory stays
    what it is."""
    try:
        yield
    except ImtransError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise BrokenContract(
            subject,
            f"it raised {type(error).__name__}: {reason(error)}",
            "a component takes what its role says, at the sizes of the recipe",
            "`imtrans plugins check` on its distribution shows where, without a recipe",
        ) from error
