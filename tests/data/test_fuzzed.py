"""Damaged images: whatever reads them, nothing but ImtransError comes out."""

import pytest
from fuzzing import Fuzz


@pytest.mark.soak
def test_damaged_images_are_read_or_refused_by_all_that_reads_them(tmp_path):
    """In CI 500 small ones; `python tests/fuzz.py --files 10000` takes bombs too."""
    fuzz = Fuzz(tmp_path, bombs=False)
    fuzz.run(500, seed=7)
    assert fuzz.wrong == []
    assert fuzz.read > 500
    assert fuzz.refused > 500
