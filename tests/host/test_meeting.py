"""What each rank says reaches rank 0, however late and however long it is."""

import threading

import pytest
from torch.distributed import HashStore

from imtrans.host import meeting
from imtrans.host.meeting import Meeting
from imtrans.host.ranks import Rank


def test_one_process_alone_hears_itself():
    assert Meeting(Rank()).gathered({"done": 3}) == [{"done": 3}]


@pytest.mark.parametrize("piece", [3, 2**22])
def test_rank_0_hears_all_in_their_order_and_the_others_need_not_wait(monkeypatch, piece):
    store, found = HashStore(), []
    monkeypatch.setattr(meeting, "common_store", lambda rank: store)
    monkeypatch.setattr(meeting, "PIECE", piece)
    ranks = [Meeting(Rank(number, 3)) for number in range(3)]
    first = threading.Thread(target=lambda: found.extend(ranks[0].gathered("first") or []))
    first.start()
    assert ranks[2].gathered({"broken": ["\udce9t\u00e9.png: " + "x" * 40]}) is None
    assert first.is_alive()
    assert ranks[1].gathered([]) is None
    first.join(20)
    assert found == ["first", [], {"broken": ["\udce9t\u00e9.png: " + "x" * 40]}]
