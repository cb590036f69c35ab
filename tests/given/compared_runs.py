"""Runs that are compared: evaluated, two seeds of one recipe among them, and a folder alone."""

import json
import shutil
from pathlib import Path

import torch
from drawn import write_pairs
from safetensors import safe_open
from safetensors.torch import save

import imtrans
from imtrans.runs.checksums import sum_of

METRICS = ("l1", "psnr", "ssim")


def write_compared(finished: Path, folder: Path) -> dict[str, Path]:
    """`one`, `other` and `other-seed5`, which differ by a recipe and a seed, and `tool-evaluation`,
    which is no run's; all of 9 images. By l1 `one` is the worst."""
    runs = {name: folder / "runs" / name for name in ("one", "other", "other-seed5")}
    for number, (name, run) in enumerate(runs.items()):
        shutil.copytree(finished, run)
        text = (run / "recipe.toml").read_text()
        if name != "one":
            text = text.replace('name = "vanilla"', 'name = "lsgan"')
        if name == "other-seed5":
            text = text.replace("seed = 0", "seed = 5")
        (run / "recipe.toml").write_text(text)
        if not number:
            write_pairs(folder / "pairs", 9)
            output = run / "evaluation" / "validation"
            imtrans.evaluate(run, split=str(folder / "pairs"), metrics=METRICS, output=output)
        else:
            shutil.copytree(runs["one"] / "evaluation", run / "evaluation")
            _improve(run / "evaluation" / "validation", 0.5 + number / 2000)
    places = runs | {"tool": folder / "tool-evaluation"}
    shutil.copytree(runs["one"] / "evaluation" / "validation", places["tool"])
    _improve(places["tool"], 0.9)
    facts = json.loads((places["tool"] / "metrics.json").read_text())
    for fact in ("run", "checkpoint", "step", "title", "split"):
        facts.pop(fact)
    facts |= {"outputs": "results/*_fake_B.png", "targets": "results/*_real_B.png"}
    (places["tool"] / "metrics.json").write_text(json.dumps(facts))
    return places


def _improve(folder: Path, factor: float) -> None:
    """Make every l1 smaller, as if outputs were better."""
    path = folder / "rows.safetensors"
    with safe_open(path, framework="pt") as file:
        named, found = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}
    noise = torch.linspace(0.98, 1.02, len(found["rows/l1"]))[:, None]
    path.write_bytes(save(found | {"rows/l1": found["rows/l1"] * factor * noise}, named))
    facts = json.loads((folder / "metrics.json").read_text())
    facts["rows"] = sum_of(path)
    (folder / "metrics.json").write_text(json.dumps(facts))
