"""Which images are whose: none twice, none left, and mistakes are one line with an example."""

import pytest

from imtrans.api.errors import ImtransError
from imtrans.host.ranks import Rank
from imtrans.host.share import Share, share_of


@pytest.mark.parametrize("count", [0, 1, 10, 11])
@pytest.mark.parametrize("of", [1, 3, 8])
def test_every_item_is_in_one_share_and_shares_are_equal(count, of):
    shares = [Share(number, of).picked(range(count)) for number in range(1, of + 1)]
    assert sorted(item for share in shares for item in share) == list(range(count))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_ranks_divide_a_share_among_themselves():
    found = [Share(n, 3).among(Rank(rank, 2)) for n in (1, 2, 3) for rank in (0, 1)]
    assert found == [Share(number, 6) for number in range(1, 7)]
    assert Share().among(Rank()).is_all
    assert [str(share.named) for share in found] == ["1/3", "1/3", "2/3", "2/3", "3/3", "3/3"]
    assert [str(share.named) for share in found[0].all()] == [str(one.named) for one in found]


def test_a_share_is_written_as_it_is_shown():
    assert share_of("3/8") == Share(3, 8)
    assert str(share_of(" 03/08 ")) == "3/8"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("0/4", r"numbered from 1, as in --shard 1/4; a job array too \(sbatch --array=1-4\)"),
        ("5/4", "of 4 there is no share 5; the last one is --shard 4/4"),
        ("1/0", "there is one share or more, as in --shard 1/8"),
        ("a/b", "'a/b' is no share; .* as --shard 3/8"),
        ("/8", "'/8' is no share"),  # a task number that is not set
        ("-1/4", "is no share"),
        ("3", "is no share"),
        ("", "is no share"),
        ("١/٢", "is no share"),
    ],
)
def test_what_is_no_share_is_one_line(text, line):
    with pytest.raises(ImtransError, match=line) as error:
        share_of(text)
    assert "\n" not in str(error.value)
