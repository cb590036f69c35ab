"""What several ranks gain: measured, and calculated for links of any speed."""

import json
import sys

import pytest
from forked_ranks import commands

from imtrans.benchmark.scaling import LATENCY, LINKS, RANKS, REACHED, Scaling

SMALL = ("--rounds", "1", "--set", "generator.name=resnet_6", "--set", "generator.width=4")
TINY = (*SMALL, "--set", "discriminator.width=4", "--set", "data.crop_size=32")


def test_a_ring_sends_all_but_each_ones_part_twice():
    scaling = Scaling(bytes=8_000_000_000, step=1.0)
    # Four ranks: 2 * 3/4 of 8 GB over a link that reaches 10 GB/s, and six sends one by one.
    rate = 10 / REACHED
    assert scaling.averaging(4, rate) == pytest.approx(1.2 + 6 * LATENCY)
    assert scaling.efficiency(4, rate) == pytest.approx(1 / (2.2 + 6 * LATENCY))
    assert scaling.pays_up_to(rate, least=0.4) == 8
    assert scaling.pays_up_to(0.001) == 1


@pytest.mark.parametrize("rate", LINKS.values(), ids=LINKS)
def test_more_ranks_never_do_less_and_never_all(rate):
    scaling = Scaling(228_700_000, 0.02)
    done = [ranks * scaling.efficiency(ranks, rate) for ranks in RANKS]
    assert done == sorted(done)
    assert all(work < ranks for work, ranks in zip(done, RANKS, strict=True))


def test_one_process_measures_a_step_and_calculates(imtrans):
    code, out, _ = imtrans("bench", "ranks", *TINY, "--step-ms", "20")
    assert code == 0
    assert "one rank, the others idle" in out
    assert "calculated for steps of 20 ms" in out
    assert all(link in out for link in LINKS)
    assert "ranks, averaging" not in out


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_two_ranks_are_measured_in_turns(tmp_path):
    job = commands(tmp_path / "r", 2, "bench", "ranks", *TINY, "--json").done()
    found = json.loads(job.out)
    assert found["ranks"] == 2
    assert found["bytes"] > 100_000
    assert all(found[name]["median"] > 0 for name in ("one", "each", "together", "averaging"))
    assert 0 < found["scaling"]["median"] < 20
    assert job.children[1].out == ""
