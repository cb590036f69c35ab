"""The options of pytorch-CycleGAN-and-pix2pix as a table: flag, key of a recipe, how, remark.

Those of 2017 to 2023 and of 2025. Names of 2017, where they differ, are in `old`. A flag with
several keys has a row for each. A row without a key says why: what is lost, unless the value is
`usual`, where nothing is; without `usual` the flag has no meaning for a recipe at all.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from imtrans.drafting.choice import LOSS
from imtrans.drafting.published import data, networks, training
from imtrans.drafting.published.options import Options
from imtrans.drafting.published.values import count, rate, seed, steps, switch, text, weight, whole

How = Callable[[Options, str], Any]  # the key's value; None: the key is left out


class Flag(NamedTuple):
    """A flag, and one key that it becomes."""

    name: str
    key: str = ""
    how: How | None = None
    remark: str = ""
    usual: tuple[str, ...] | None = None
    old: tuple[str, ...] = ()
    models: tuple[str, ...] = ()  # of which it is an option; (): of all
    also: tuple[str, ...] = ()  # further flags that the key's value comes from,
    aside: tuple[str, ...] = ()  # and those that matter where they are not what is usual

    @property
    def known_as(self) -> tuple[str, ...]:
        return (self.name, *self.old)


CYCLE, PAIRS = ("cycle_gan",), ("pix2pix", "colorization", "test")
LOGGER = "[[logger]]"
# Why a flag has no key. One text for each reason: what has the same one is listed together.
VISDOM = "no visdom: pictures go to the run's samples/, curves to its report.html"
PLACES = "a run is in runs/NAME, after the recipe's file; --run-dir names another folder"
DEVICES = "devices belong to the command: --device, or torchrun, a batch_size for each of them"
TESTING = "translate and evaluate have it as their own options, or take all images"
RESUMING = "the same command continues a run; train.init_from begins with other weights"
SPEED = "processes that load are chosen by the machine; data.workers sets their number"
MODE = "of the program that wrote the file"

FLAGS = (
    # --- the task
    Flag("name", "title", text),
    Flag("model", "requires", training.requires, "cycle_gan is a plugin, imtrans-cyclegan"),
    Flag("seed", "seed", seed, "of forks; the published code has none"),
    # --- data
    Flag("dataroot", "data.root", data.root, "--root names another folder"),
    Flag(
        "dataset_mode",
        "data.layout",
        data.layout,
        "aligned: side_by_side; unaligned: unpaired; colorization: photos",
    ),
    Flag("dataset_mode", "data.derive", data.derive, 'colorization: "lab"'),
    Flag("phase", "data.train", data.split, "the split that is trained on"),
    Flag(
        "direction",
        "data.direction",
        data.direction,
        "of cycle_gan with BtoA the folders are exchanged instead, as that code does",
        old=("which_direction",),
    ),
    Flag("input_nc", "data.source.channels", data.channels, "left out where it is 3"),
    Flag("output_nc", "data.target.channels", data.channels, "left out where it is 3"),
    Flag(
        "preprocess",
        "data.resize",
        data.resize,
        "resize_and_crop is the default, square; crop, scale_width, scale_width_and_crop and none "
        "depend on the sizes of the files, and are the same for files of one size",
        old=("resize_or_crop",),
    ),
    Flag(
        "load_size",
        "data.load_size",
        data.load_size,
        "where nothing is cropped, crop_size alone",
        old=("loadSize",),
        aside=("preprocess",),
    ),
    Flag(
        "crop_size",
        "data.crop_size",
        data.crop_size,
        old=("fineSize",),
        aside=("preprocess",),
    ),
    Flag("no_flip", "data.flip", switch(False)),
    # --- method
    Flag("model", "method.name", training.method, "pix2pix, colorization, test: pix2pix"),
    Flag(
        "lambda_A",
        "method.cycle",
        training.cycle,
        "one weight for both ways. In pix2pix of 2017 it is the weight of l1",
        models=CYCLE,
        also=("lambda_B",),
    ),
    Flag("lambda_B", remark="see lambda_A", usual=(), models=CYCLE),
    Flag("lambda_identity", "method.identity", weight, old=("identity",), models=CYCLE),
    Flag("pool_size", "method.pool_size", whole, "pix2pix uses no pool", models=CYCLE),
    # --- networks
    Flag(
        "netG",
        "generator.name",
        networks.generator,
        "unet_256, unet_128; resnet_9blocks: resnet_9; resnet_6blocks: resnet_6",
        old=("which_model_netG",),
    ),
    Flag("ngf", "generator.width", count),
    Flag("norm", "generator.norm", networks.norm, "syncbatch: batch"),
    Flag(
        "no_dropout",
        "generator.dropout",
        networks.dropout,
        "0.5 or 0.0; in U-Nets it is in the three innermost blocks, as in the paper",
    ),
    Flag(
        "netD",
        "discriminator.name",
        networks.discriminator,
        "basic: patch_70; pixel; n_layers: patch_16, patch_70, patch_286, or patch",
        old=("which_model_netD",),
        aside=("n_layers_D",),
    ),
    Flag("n_layers_D", "discriminator.layers", networks.layers, "of netD n_layers alone"),
    Flag("ndf", "discriminator.width", count),
    Flag("norm", "discriminator.norm", networks.norm),
    Flag(
        "gan_mode",
        "adversarial.name",
        networks.adversarial,
        "vanilla, lsgan; wgangp is refused: that code has no gradient penalty, and neither has "
        "imtrans",
        aside=("no_lsgan",),
    ),
    Flag("no_lsgan", remark="gan_mode of 2017: True is vanilla, False lsgan", usual=()),
    # --- losses
    Flag("model", f"{LOSS}.name", training.l1, "l1", models=PAIRS),
    Flag("lambda_L1", f"{LOSS}.weight", training.weight, models=PAIRS, aside=("lambda_A",)),
    # --- training
    Flag(
        "n_epochs",
        "train.epochs",
        training.epochs,
        "n_epochs + n_epochs_decay",
        old=("niter",),
        also=("n_epochs_decay",),
    ),
    Flag(
        "n_epochs",
        "train.decay_from",
        training.decay_from,
        "of lr_policy linear; with n_epochs_decay 0 the rate is constant",
        aside=("n_epochs_decay", "lr_policy"),
    ),
    Flag("n_epochs_decay", remark="see n_epochs", usual=(), old=("niter_decay",)),
    Flag(
        "lr_policy",
        "train.schedule",
        training.schedule,
        "linear, step; plateau: step, which it is in that code, as it watches no loss; cosine "
        "falls over all epochs, and does not rise again",
    ),
    Flag(
        "lr_decay_iters",
        "train.decay_every",
        training.decay_every,
        "epochs, in that code too",
        also=("lr_policy",),
    ),
    Flag("lr_policy", "train.decay_factor", training.decay_factor, "step: 0.1; plateau: 0.2"),
    Flag(
        "batch_size",
        "train.batch_size",
        count,
        "of one device; under torchrun each process takes as many",
        old=("batchSize",),
    ),
    Flag("lr", "train.learning_rate", rate),
    Flag("beta1", "train.betas", training.betas, "[beta1, 0.999]"),
    Flag("norm", "train.sync_batch_norm", networks.synchronised, "syncbatch: true"),
    Flag("print_freq", "train.log_every", steps, "images there, steps here", aside=("batch_size",)),
    Flag(
        "update_html_freq",
        "train.sample_every",
        steps,
        "images there, steps here",
        aside=("batch_size",),
    ),
    Flag(
        "save_latest_freq",
        "train.checkpoint_every",
        steps,
        "images there, steps here; the two newest and the best are kept",
        aside=("batch_size",),
    ),
    Flag("use_wandb", f"{LOGGER}.name", training.wandb, 'pip install "imtrans[wandb]"'),
    Flag(
        "wandb_project_name",
        f"{LOGGER}.project",
        training.wandb_project,
        also=("use_wandb",),
    ),
    # --- what a recipe has no key for, and is missed
    Flag(
        "init_type",
        remark="networks begin with N(0, 0.02), the default of that code too",
        usual=("normal",),
    ),
    Flag("init_gain", remark="the deviation is 0.02, as its default", usual=("0.02",)),
    Flag("serial_batches", remark="pairs are always drawn, from the seed", usual=("False",)),
    Flag(
        "max_dataset_size",
        remark='all pairs are used; for fewer, list their names: data.train = "train.txt"',
        usual=("inf", "Infinity"),
    ),
    Flag("continue_train", remark=RESUMING, usual=("False",)),
    Flag("epoch_count", remark=RESUMING, usual=("1",)),
    Flag(
        "save_epoch_freq",
        remark="train.keep_last checkpoints and the best are kept, not one of every few epochs",
        usual=(),
    ),
    Flag("save_by_iter", remark="checkpoints are always named after their step", usual=("False",)),
    Flag("aspect_ratio", remark="a result has the size of its image", usual=("1.0", "1")),
    Flag(
        "eval",
        remark="its batch norm is that of translate --statistics running",
        usual=("False",),
    ),
    # --- what needs no key
    Flag("display_env", remark=VISDOM),
    Flag("display_freq", remark=VISDOM),
    Flag("display_id", remark=VISDOM),
    Flag("display_ncols", remark=VISDOM, old=("display_single_pane_ncols",)),
    Flag("display_port", remark=VISDOM),
    Flag("display_server", remark=VISDOM),
    Flag("display_winsize", remark=VISDOM),
    Flag("no_html", remark=VISDOM),
    Flag("checkpoints_dir", remark=PLACES),
    Flag("results_dir", remark=PLACES),
    Flag("suffix", remark=PLACES),
    Flag("model_suffix", remark=PLACES),
    Flag("num_threads", remark=SPEED, old=("nThreads",)),
    Flag("gpu_ids", remark=DEVICES),
    Flag("device", remark=DEVICES),
    Flag("local_rank", remark=DEVICES),
    Flag("epoch", remark=TESTING, old=("which_epoch",)),
    Flag("load_iter", remark=TESTING),
    Flag("num_test", remark=TESTING, old=("how_many",)),
    Flag("ntest", remark=TESTING),
    Flag("isTrain", remark=MODE),
    Flag("verbose", remark=MODE),
)

# What a flag is where nothing says it, in that code of 2018 and later.
DEFAULTS = {
    "name": "experiment_name",
    "model": "cycle_gan",
    "dataset_mode": "unaligned",
    "phase": "train",
    "direction": "AtoB",
    "input_nc": "3",
    "output_nc": "3",
    "preprocess": "resize_and_crop",
    "load_size": "286",
    "crop_size": "256",
    "no_flip": "False",
    "lambda_A": "10.0",
    "lambda_B": "10.0",
    "lambda_identity": "0.5",
    "pool_size": "50",
    "netG": "resnet_9blocks",
    "ngf": "64",
    "norm": "instance",
    "no_dropout": "False",
    "netD": "basic",
    "n_layers_D": "3",
    "ndf": "64",
    "gan_mode": "lsgan",
    "lambda_L1": "100.0",
    "n_epochs": "100",
    "n_epochs_decay": "100",
    "lr_policy": "linear",
    "lr_decay_iters": "50",
    "batch_size": "1",
    "lr": "0.0002",
    "beta1": "0.5",
    "use_wandb": "False",
}
# ... and what a model has for a default instead.
PIX2PIX = {"dataset_mode": "aligned", "netG": "unet_256", "norm": "batch", "gan_mode": "vanilla"}
MODELS: dict[str, dict[str, str]] = {
    "pix2pix": PIX2PIX,
    "colorization": PIX2PIX | {"dataset_mode": "colorization", "input_nc": "1", "output_nc": "2"},
    "cycle_gan": {"no_dropout": "True"},
    "test": {"dataset_mode": "single"},
}
