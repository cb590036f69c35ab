"""What a reader of the pages has at hand, and what a page starts from."""

import contextlib
import io
import re
import shlex
import shutil
import sys
from pathlib import Path

from drawn import draw_picture

from imtrans.cli.main import main

GOLDEN = Path(__file__).parent / "golden"
STARTS = re.compile(r"^<!-- starts from: (.+) -->$", re.MULTILINE)
# Training is shortened to a moment, and no engine tried on a batch; everything else is run as it
# is written.
HURRY = [
    *("generator.width=2", "discriminator.width=2"),
    *("train.epochs=1", "train.decay_from=1", "train.engine=plain"),
]
INIT = "imtrans init slides --output my-task.toml"
TRAIN = "imtrans train my-task.toml"
LSGAN = f"{TRAIN} --run-dir runs/lsgan --set adversarial.name=lsgan"
# The commands that were typed before a page, with pairs in slides/ and pictures in photos/.
BEFORE: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "pairs": (),
    "published weights": (),
    "a recipe": (INIT,),
    "a run": (INIT, TRAIN),
    "two runs": (INIT, TRAIN, LSGAN),
}


def fill(desk: Path, start: str) -> None:
    """Give a reader what a page starts from, but for what commands make."""
    if start == "nothing":
        return
    (desk / "slides").mkdir()
    for number in range(16):  # of which two are for validation
        picture = draw_picture(number, (64, 64))
        picture.save(desk / "slides" / f"{number}_he.png")
        picture.rotate(180).save(desk / "slides" / f"{number}_ihc.png")
    (desk / "photos").mkdir()
    draw_picture(1, (70, 50)).save(desk / "photos" / "house.png")
    draw_picture(1, (70, 50)).save(desk / "city.tif")
    for name, file in (
        ("latest_net_G.pth", "generator-unet_128-batch-3ch.pth"),
        ("latest_net_D.pth", "discriminator-basic-batch-6ch.pth"),
    ):
        shutil.copy(GOLDEN / file, desk / name)


def commands_of(block: str) -> list[str]:
    """The commands of a block, each on one line."""
    return block.replace("\\\n", " ").strip().splitlines()


def hurried(line: str) -> tuple[list[str], str | None]:
    """The words of a line behind `imtrans`, so that it takes a moment; and what `> file` names."""
    program, *words = shlex.split(line, comments=True)
    assert program == "imtrans", line
    target = None
    if ">" in words:
        words, target = words[: words.index(">")], words[-1]
    if words[0] == "bench":
        words += ["--rounds", "2"]
    if words[:2] == ["bench", "translate"]:
        words += ["--images", "4"]
    if words[0] in ("train", "check", "bench"):
        words += [part for key in HURRY for part in ("--set", key)]
    return words, target


def type_before(desk: Path, start: str) -> None:
    """Type what was typed before a page, in its folder."""
    for line in BEFORE[start]:
        words, _ = hurried(line)
        said = io.StringIO()
        before, sys.argv = sys.argv, ["imtrans", *words]
        code: object = 0
        try:
            with contextlib.chdir(desk), contextlib.redirect_stdout(said):
                main()
        except SystemExit as end:
            code = end.code
        finally:
            sys.argv = before
        assert not code, f"{line}\n{said.getvalue()}"
