"""Options of other programs, as of the published pix2pix code, and what does the same here."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pointer:
    """What to write instead; `{}` is the value that was given, or else `example`."""

    text: str
    example: str = ""

    def __call__(self, value: str | None) -> str:
        return self.text.format(shlex.quote(value) if value else self.example)


def _key(key: str, example: str) -> Pointer:
    return Pointer(f"use --set {key}={{}}", example)


EPOCHS = _key("train.epochs", "5")
DECAY = Pointer(
    "use --set train.epochs=200 --set train.decay_from=100: all epochs, and those at the full rate"
)
RESUME = Pointer("the same command again continues a run where it stopped")
FIRST = Pointer("use --set train.init_from={}", "runs/NAME")
EVERY = Pointer("use --set 'train.checkpoint_every=\"{} epochs\"'", "5")
BATCH, RATE = _key("train.batch_size", "4"), _key("train.learning_rate", "0.0002")
WORKERS, WIDTH = _key("data.workers", "4"), _key("generator.width", "64")
LOAD, CROP = _key("data.load_size", "286"), _key("data.crop_size", "256")
ROOT, SEED = _key("data.root", "DIR"), _key("seed", "1")
GPU = Pointer("use --device cuda:{}", "0")
NAME = Pointer("use --run-dir runs/{}", "NAME")
PLACE = Pointer("use --run-dir DIR/NAME")
INPUT = Pointer("name the folder without an option")

TRAINING: Mapping[str, Pointer] = {
    **dict.fromkeys(("epochs", "n_epochs", "num_epochs", "max_epochs", "niter"), EPOCHS),
    **dict.fromkeys(("n_epochs_decay", "niter_decay"), DECAY),
    **dict.fromkeys(("resume", "continue", "continue_train", "epoch_count"), RESUME),
    **dict.fromkeys(("pretrained", "weights", "init_from"), FIRST),
    **dict.fromkeys(("batch_size", "batch", "batchsize"), BATCH),
    **dict.fromkeys(("lr", "learning_rate"), RATE),
    **dict.fromkeys(("dataroot", "data", "data_dir", "data_root"), ROOT),
    **dict.fromkeys(("gpu_ids", "gpu", "gpus"), GPU),
    **dict.fromkeys(("name", "run_name"), NAME),
    **dict.fromkeys(("checkpoints_dir", "output", "out", "save_dir", "output_dir"), PLACE),
    **dict.fromkeys(
        ("num_threads", "nthreads", "workers", "num_workers"), _key("data.workers", "4")
    ),
    **dict.fromkeys(("loadsize", "load_size"), LOAD),
    **dict.fromkeys(("finesize", "crop_size", "imgsz", "size"), CROP),
    **dict.fromkeys(("lambda_l1",), _key("loss.l1.weight", "100")),
    **dict.fromkeys(("lr_policy", "scheduler"), _key("train.schedule", "cosine")),
    **dict.fromkeys(("save_epoch_freq", "save_latest_freq"), EVERY),
    "seed": SEED,
    "model": _key("method.name", "pix2pix"),
    "netg": _key("generator.name", "unet_256"),
    "netd": _key("discriminator.name", "patch_70"),
    "ngf": WIDTH,
    "ndf": _key("discriminator.width", "64"),
    "norm": _key("generator.norm", "batch"),
    "no_dropout": Pointer("use --set generator.dropout=0"),
    "gan_mode": _key("adversarial.name", "lsgan"),
    "direction": _key("data.direction", "BtoA"),
    "dataset_mode": _key("data.layout.name", "folders"),
    "input_nc": _key("data.source.channels", "1"),
    "output_nc": _key("data.target.channels", "1"),
    "no_flip": Pointer("use --set data.flip=false"),
    "beta1": Pointer("use --set 'train.betas=[{}, 0.999]'", "0.5"),
    "amp": Pointer("use --set train.precision=bf16"),
    "print_freq": _key("train.log_every", "50"),
    "display_freq": _key("train.sample_every", "500"),
    "patience": _key("validate.patience", "10"),
    "overwrite": Pointer("use --fresh: the old run is renamed"),
}
CHECKPOINT = Pointer("use --checkpoint {}", "runs/NAME")
RUN = Pointer("use --checkpoint runs/{}", "NAME")
TRANSLATING: Mapping[str, Pointer] = {
    **dict.fromkeys(("dataroot", "input", "source", "images"), INPUT),
    **dict.fromkeys(("results_dir", "out", "output_dir"), Pointer("use --output {}", "DIR")),
    **dict.fromkeys(("run", "run_dir", "model", "weights"), CHECKPOINT),
    **dict.fromkeys(("gpu_ids", "gpu", "gpus"), GPU),
    **dict.fromkeys(("num_test", "n_test"), Pointer("name single files, or a folder with fewer")),
    "name": RUN,
    "epoch": Pointer("the newest checkpoint is used; --best uses that of the best validation"),
    "eval": Pointer("dropout is off, as with --eval there; --dropout-seed turns it on"),
}
BY_COMMAND = {"translate": TRANSLATING}


def pointer(command: str, known: Iterable[str], option: str, arguments: Sequence[str]) -> str:
    """One line that says what does here what an unknown option does elsewhere; empty where that is
    not known.

    `command` has the options `known`: nothing else is pointed to. `arguments` are those of the
    command line, which may have a value for the option.
    """
    name = option.lstrip("-").replace("-", "_").lower()
    pointers = BY_COMMAND.get(command, TRAINING)
    if name not in pointers or (pointers[name] is RESUME and command != "train"):
        return ""
    line = pointers[name](_value(option, arguments))
    used = line.split()[1] if line.startswith("use ") else ""
    return line if not used or used in known else ""


def _value(option: str, arguments: Sequence[str]) -> str | None:
    for place, argument in enumerate(arguments):
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
        if argument == option:
            after = arguments[place + 1 : place + 2]
            return after[0] if after and not after[0].startswith("-") else None
    return None
