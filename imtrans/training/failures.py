"""What ranks fail with: noted on one, and known to all before they end together.

A rank that ends by itself leaves the others waiting for it, and with them what was learned since
the last checkpoint, which takes all of them to save.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from imtrans.api.errors import ImtransError
from imtrans.host.group import Group


class Failures:
    """Of the ranks of a group. Alone, a rank just fails."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self._here: Exception | None = None  # of which the others do not know yet
        #: whether all ranks are ending, and can save together
        self.known_to_all = group.alone

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note what is raised within, until all ranks agree to end."""
        try:
            yield
        except (ImtransError, OSError) as error:
            if self.group.alone:
                raise
            self._here = self._here or error

    def agreed(self, number: int = 0) -> int:
        """The largest number that a rank has. Raises what a rank has noted, on all of them."""
        if self.group.alone:
            return number
        failure, self._here, self.known_to_all = self._here, None, True
        largest = self.group.agree(failure, number)
        self.known_to_all = False
        return largest
