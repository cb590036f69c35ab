import pytest

from imtrans.api.errors import ImtransError
from imtrans.host.ranks import Rank, this_rank

TORCHRUN = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}


def test_without_torchrun_a_process_is_the_only_one():
    assert this_rank({}) == this_rank({"RANK": "3"}) == Rank(0, 1)
    assert Rank().leads
    assert Rank().alone


def test_torchrun_says_which_process_this_is():
    rank = this_rank(TORCHRUN)
    assert rank == Rank(number=5, of=8, local=1, local_of=4)
    assert not rank.leads
    assert not rank.alone
    assert str(rank).startswith("rank 5 (")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"RANK": "8"}, "make no sense"),
        ({"LOCAL_RANK": "4"}, "make no sense"),
        ({"LOCAL_WORLD_SIZE": "9"}, "make no sense"),
        ({"RANK": "first"}, "RANK is 'first', and no number"),
        ({"WORLD_SIZE": "-2"}, "WORLD_SIZE is '-2', and no number"),
    ],
)
def test_what_makes_no_sense_is_said(change, told):
    with pytest.raises(ImtransError, match=told):
        this_rank(TORCHRUN | change)
