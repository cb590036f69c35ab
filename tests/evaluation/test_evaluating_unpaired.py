"""Pictures that do not belong together: only whole sets are compared."""

import json

from cells import UNPAIRED, register_small, write_unpaired


def test_only_metrics_of_whole_sets_are_measured(imtrans, tmp_path):
    register_small()
    write_unpaired(tmp_path / "pictures")
    recipe = tmp_path / "zebras.toml"
    recipe.write_text(UNPAIRED.format(root=(tmp_path / "pictures").as_posix()))
    imtrans("train", recipe, "--set", "train.epochs=1")
    code, out, err = imtrans("evaluate", "--recipe", "zebras")
    assert code == 0, err
    # Without the libraries, or the weights, of the others: each is one line that says what to do.
    assert "fid is not measured: " in out
    assert "kid is not measured: " in out
    place = tmp_path / "runs" / "zebras" / "evaluation" / "validation"
    found = json.loads((place / "metrics.json").read_text())
    assert list(found["metrics"]) == [f"lab_histogram{part}" for part in ("", "_L", "_a", "_b")]
    assert all("target" not in one for one in found["pictures"])
    code, _, err = imtrans("evaluate", "--recipe", "zebras", "--metric", "l1")
    assert (code, "only metrics of whole sets" in err) == (2, True)
    code, _, err = imtrans("evaluate", "--recipe", "zebras", "--metric", "fid")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
