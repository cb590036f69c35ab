"""The memory of a translation does not grow with the number of images."""

import json
import os
import subprocess
import sys

import pytest
import torch
from drawn import draw_picture
from translated_trees import counting

from imtrans.api.pictures import Picture
from imtrans.data.encoding import Direct, Given
from imtrans.host.threads import BYTES, Threads
from imtrans.recipe.schema import DataTable
from imtrans.translation.pipeline import through

MEASURED = """
import json, sys
from imtrans.cli.main import main
from imtrans.host.machine import process_memory
sys.argv = ["imtrans", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code or 0, process_memory().peak]))
else:
    print(json.dumps([0, process_memory().peak]))
"""


@pytest.fixture
def peak(finished_run, tmp_path):
    """The peak memory (MB) of translating so many hard links to pictures of these sizes."""
    finished_run(tmp_path / "runs" / "tiny")

    def measured(count, *sizes, options=()):
        inputs = tmp_path / f"{count} images"
        inputs.mkdir()
        for number in range(count):
            first = inputs / f"{number % len(sizes)}.jpg"
            if number < len(sizes):
                draw_picture(number, sizes[number]).save(first)
            else:
                os.link(first, inputs / f"{number}.jpg")
        command = ["translate", "--recipe", "tiny", "--device", "cpu", *options, str(inputs)]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *command, "--output", f"out of {count}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        code, peak = json.loads(done.stdout.splitlines()[-1])
        assert code == 0, done.stderr
        return peak / 1e6

    return measured


@pytest.mark.soak
@pytest.mark.skipif(sys.platform == "win32", reason="does not say what the peak was")
def test_many_images_take_no_more_memory_than_some(peak):
    assert peak(1500, (64, 64)) <= 1.1 * peak(100, (64, 64))


@pytest.mark.soak
@pytest.mark.skipif(sys.platform == "win32", reason="does not say what the peak was")
def test_many_large_images_take_no_more_memory_than_some(peak):
    sizes = ((2000, 1500), (1500, 2000), (1900, 1500), (64, 64))
    options = ("--workers", "2", "--size", "64")
    # Which large ones are in memory together is chance; all of them would be five times as much.
    assert peak(60, *sizes, options=options) <= 1.3 * peak(12, *sizes, options=options)


def test_photographs_that_results_are_composed_with_count_as_large_as_they_are():
    """The network sees 64 px of each, and 4 million wait beside it."""
    held, most = [], []

    class Composing(Direct):
        def given(self, picture, fitting=None, scale=None):
            source = torch.zeros(1, 3, 64, 64)
            whole = torch.zeros(1, 1, 1, 1).expand(1, 4, 2000, 1500)
            held.append(picture)
            return Given(source, (2000, 1500), whole)

    using = counting()
    using.encoding = Composing(DataTable(root="x"))
    with Threads(1) as threads:
        read = using.given
        for passed in through(using, [Picture(str(n)) for n in range(30)], read, threads):
            most.append(len(held))
            held.remove(passed.item)
    assert max(most) < 8


def test_what_is_read_ahead_is_little_from_the_first_on():
    """As long as nothing is known of sizes, one is read; a large one is heard of at once."""
    begun = []

    def large(number):
        begun.append(number)
        return number

    with Threads(4) as threads:
        for number, _ in threads.ahead(large, range(30), lambda _: BYTES // 2):
            assert max(begun) <= number + 8
            if number == 0:
                assert begun == [0]
            if number > 8:
                assert max(begun) <= number + 3
