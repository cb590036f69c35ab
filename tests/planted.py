"""How many planted faults `imtrans data check` finds: `python tests/planted.py --data DIR`.

DIR holds the real sets: facades, maps, edges2shoes, sketch2shiba, flowers. For every set, kind of
fault and share of the pairs, faults are planted at random, and all checks are run. A fault is found
if its pair is named by a finding made for it; named otherwise, if by another warning or error. All
other pairs that are named are falsely accused. Where all pairs are shuffled, or all targets black,
the set is one case, and found if it is an error. Images are made smaller than 256 px.
"""

import argparse
import io
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).parent / "given"))

from PIL import Image
from planted_faults import (
    Pair,
    blue_first,
    chosen,
    cut_off,
    cut_to_a_part,
    dark,
    grey,
    inverted,
    mirrored,
    quarter_turn,
    recoloured,
    saved_again,
    shuffled,
    turned_by_half,
    upside_down,
)
from planted_shifts import read, tensor

from imtrans.api.pictures import Pair as StoredPair
from imtrans.api.pictures import Picture
from imtrans.checking.data.run_checks import run_checks
from imtrans.recipe.schema import DataTable

VALIDATION = 5  # one of so many pairs
# Pairs that are wrong as they were published: what is said of them is no false accusation.
WRONG = {("facades", 241)}  # its labels are a large red block


class Kind(NamedTuple):
    """A fault, and the subjects of the findings made for it."""

    subjects: set[str]
    on_target: Callable | None = None
    equal: Callable | None = None  # the target is the source, changed
    leak: Callable | None = None  # a validation pair is a training pair, changed on both sides


ONE_SIDE = {
    "mirrored": mirrored,
    "upside down": upside_down,
    "turned by half": turned_by_half,
    "inverted": inverted,
    "red and blue exchanged": blue_first,
    "dark": dark,
    "grey": grey,
    "cut off": cut_off,
}
LEAKS = {
    "as it is": lambda image: image,
    "saved again": saved_again,
    "mirrored": mirrored,
    "quarter turn": quarter_turn,
    "half turn": turned_by_half,
    "cut": cut_to_a_part,
    "recoloured": recoloured,
}
UNLIKE = {"changed", "miscoloured", "dark", "grey", "cut-off"}
KINDS = {
    "shuffled": Kind({"mismatched"}),
    **{name: Kind(UNLIKE, on_target=change) for name, change in ONE_SIDE.items()},
    "target = source": Kind({"equal-sides"}, equal=lambda image: image),
    "target = source, as JPEG": Kind({"equal-sides"}, equal=saved_again),
    **{f"leak, {name}": Kind({"leak", "near-leak"}, leak=change) for name, change in LEAKS.items()},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=RAW)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=500)
    parser.add_argument("--set", action="append", choices=SETS, help="all of them by default")
    parser.add_argument("--kind", action="append", choices=KINDS, help="all of them by default")
    parser.add_argument(
        "--share", action="append", type=float, help="0.02, 0.05 and 0.2 by default"
    )
    parser.add_argument("--most", type=int, default=500, help="pairs of a set")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    for name in wanted.set or SETS:
        whole = SETS[name](wanted.data)
        pairs = whole[:: -(-len(whole) // wanted.most)]
        known = {index for its, index in WRONG if its == name and len(pairs) == len(whole)}
        Trial(name, pairs, known, wanted).report()
    print(f"{time.monotonic() - began:.0f} s")


RAW = argparse.RawDescriptionHelpFormatter


def halves(*folders: str) -> Callable[[Path], list[Pair]]:
    """Both sides exchanged, since the photographs are left."""
    return lambda data: [
        (target, source) for folder in folders for source, target in read([data / folder])[0]
    ]


def maps(data: Path) -> list[Pair]:
    return [pair for split in ("train", "val") for pair in _maps(data / "maps", split)]


def _maps(data: Path, split: str) -> list[Pair]:
    return read([data / f"{split}A", data / f"{split}B"])[0]


def flowers(data: Path) -> list[Pair]:
    """Photographs, and what is derived from them: their grey versions."""
    files = sorted((data / "flowers").rglob("*.jpg"))
    photos = [tensor(Image.open(file).convert("RGB")) for file in files]
    return [(grey(photo), photo) for photo in photos]


SETS: dict[str, Callable[[Path], list[Pair]]] = {
    "facades": halves("facades/train", "facades/val"),
    "maps": maps,
    "edges2shoes": halves("edges2shoes/train", "edges2shoes/val"),
    "sketch2shiba": halves("sketch2shiba/train", "sketch2shiba/val"),
    "flowers": flowers,
}


class Trial:
    """One set, in which faults are planted."""

    def __init__(self, name: str, pairs: list[Pair], wrong: set[int], wanted) -> None:
        self.name, self.pairs, self.wrong, self.wanted = name, pairs, wrong, wanted
        self.content: dict[int, bytes] = {}  # PNG, by the id of an image that is in `pairs`

    def report(self) -> None:
        print(f"\n## {self.name}, {len(self.pairs)} pairs")
        for forward in (True, False):
            pairs = self.pairs if forward else [pair[::-1] for pair in self.pairs]
            named = self.named(self.found(pairs))
            print(f"nothing planted, {'forward' if forward else 'back'}: {dict(named) or 'none'}")
        seeds = range(self.wanted.first_seed, self.wanted.first_seed + self.wanted.seeds)
        self.whole(seeds)
        print("| fault | share | planted | found | named otherwise | missed | falsely accused |")
        print("|---|---|---|---|---|---|---|")
        for kind in self.wanted.kind or KINDS:
            for share in self.wanted.share or (0.02, 0.05, 0.2):
                self.row(kind, share, seeds)

    def whole(self, seeds: range) -> None:
        count, errors = len(self.pairs), Counter()
        for seed in seeds:
            mixed = shuffled(self.pairs, chosen(count, 1, seed))
            errors.update(f.subject for f in self.found(mixed) if f.severity == "error")
        print(f"all shuffled: an error in {errors['unrelated']} of {len(seeds)}")
        black = [(source, torch.zeros_like(target)) for source, target in self.pairs]
        severe = {f.subject for f in self.found(black) if f.severity == "error"}
        print(f"all targets black: {', '.join(severe) or 'no error'}")

    def row(self, name: str, share: float, seeds: range) -> None:
        counts: Counter[str] = Counter()
        false: Counter[str] = Counter()
        for seed in seeds:
            pairs, planted = self.planted(KINDS[name], share, seed)
            named = self.named(self.found(pairs))
            for index in planted:
                subjects = named.get(index, set())
                hit = bool(subjects & KINDS[name].subjects)
                counts["found" if hit else "otherwise" if subjects else "missed"] += 1
            for index in named.keys() - set(planted):
                false.update(named[index])
        cells = [counts.total(), counts["found"], counts["otherwise"], counts["missed"]]
        listed = ", ".join(f"{times} {subject}" for subject, times in false.items())
        print(
            f"| {name} | {share:.0%} | {' | '.join(map(str, cells))} | {listed or 0} |", flush=True
        )

    def planted(self, kind: Kind, share: float, seed: int) -> tuple[list[Pair], list[int]]:
        pairs, count = list(self.pairs), len(self.pairs)
        if kind.leak:
            validation = [index for index in range(count) if index % VALIDATION == 0]
            some = [validation[at] for at in chosen(len(validation), share, seed)]
            for index in some:  # the pair after it is a training pair
                pairs[index] = tuple(kind.leak(side) for side in pairs[index + 1])
            return pairs, some
        indices = chosen(count, share, seed)
        if kind.on_target is None and kind.equal is None:
            return shuffled(pairs, indices), indices
        for index in indices:
            source, target = pairs[index]
            changed = kind.equal(source) if kind.equal else kind.on_target(target)
            pairs[index] = source, changed
        return pairs, indices

    def found(self, pairs: list[Pair]) -> list:
        stored = [
            StoredPair(f"{index}", *((self.stored(index, image),) for image in pair))
            for index, pair in enumerate(pairs)
        ]
        training = [pair for index, pair in enumerate(stored) if index % VALIDATION]
        data = DataTable(root=".", layout={"name": "folders"}, crop_size=64)
        return run_checks(training, stored[::VALIDATION], data, guessed=True, workers=0)

    def stored(self, index: int, image: torch.Tensor) -> Picture:
        known = any(image is side for side in self.pairs[index])
        content = self.content.get(id(image)) if known else None
        if content is None:
            file = io.BytesIO()
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "PNG", compress_level=1)
            content = file.getvalue()
            if known:
                self.content[id(image)] = content
        return Picture(f"{index}.png", content=content)

    def named(self, findings: list) -> dict[int, set[str]]:
        """The pairs in warnings and errors -> the subjects of these."""
        named: dict[int, set[str]] = {}
        for finding in findings:
            for row in finding.rows if finding.severity in ("warning", "error") else ():
                words = row.name.split(".png")[0]
                index = int(words) if words.isdigit() else -1  # -1: the whole set
                if index not in self.wrong:
                    named.setdefault(index, set()).add(finding.subject)
        return named


if __name__ == "__main__":
    main()
