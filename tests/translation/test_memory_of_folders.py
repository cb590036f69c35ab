"""The memory of a translation does not grow with the number of images."""

import json
import os
import subprocess
import sys

import pytest
from drawn import draw_picture

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


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="does not say what the peak was")
def test_many_images_take_no_more_memory_than_some(peak):
    assert peak(1500, (64, 64)) <= 1.1 * peak(100, (64, 64))


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="does not say what the peak was")
def test_many_large_images_take_no_more_memory_than_some(peak):
    sizes = ((2000, 1500), (1500, 2000), (1900, 1500), (64, 64))
    options = ("--workers", "2", "--size", "64")
    assert peak(60, *sizes, options=options) <= 1.1 * peak(12, *sizes, options=options)
