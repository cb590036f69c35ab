"""The one error of a component that does not keep its contract."""

from imtrans.api.errors import ImtransError


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
