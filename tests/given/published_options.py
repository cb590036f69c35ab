"""Options as pytorch-CycleGAN-and-pix2pix prints and keeps them."""

# What train.py of 2018 to 2023 prints for `--dataroot ./datasets/facades --name facades_pix2pix
# --model pix2pix --direction BtoA`.
PIX2PIX = {
    "batch_size": "1",
    "beta1": "0.5",
    "checkpoints_dir": "./checkpoints",
    "continue_train": "False",
    "crop_size": "256",
    "dataroot": "./datasets/facades",
    "dataset_mode": "aligned",
    "direction": "BtoA",
    "display_env": "main",
    "display_freq": "400",
    "display_id": "1",
    "display_ncols": "4",
    "display_port": "8097",
    "display_server": "http://localhost",
    "display_winsize": "256",
    "epoch": "latest",
    "epoch_count": "1",
    "gan_mode": "vanilla",
    "gpu_ids": "0",
    "init_gain": "0.02",
    "init_type": "normal",
    "input_nc": "3",
    "isTrain": "True",
    "lambda_L1": "100.0",
    "load_iter": "0",
    "load_size": "286",
    "lr": "0.0002",
    "lr_decay_iters": "50",
    "lr_policy": "linear",
    "max_dataset_size": "inf",
    "model": "pix2pix",
    "n_epochs": "100",
    "n_epochs_decay": "100",
    "n_layers_D": "3",
    "name": "facades_pix2pix",
    "ndf": "64",
    "netD": "basic",
    "netG": "unet_256",
    "ngf": "64",
    "no_dropout": "False",
    "no_flip": "False",
    "no_html": "False",
    "norm": "batch",
    "num_threads": "4",
    "output_nc": "3",
    "phase": "train",
    "pool_size": "0",
    "preprocess": "resize_and_crop",
    "print_freq": "100",
    "save_by_iter": "False",
    "save_epoch_freq": "5",
    "save_latest_freq": "5000",
    "serial_batches": "False",
    "suffix": "",
    "update_html_freq": "1000",
    "use_wandb": "False",
    "verbose": "False",
    "wandb_project_name": "CycleGAN-and-pix2pix",
}
CYCLE_GAN = {key: value for key, value in PIX2PIX.items() if key != "lambda_L1"} | {
    "dataset_mode": "unaligned",
    "direction": "AtoB",
    "gan_mode": "lsgan",
    "lambda_A": "10.0",
    "lambda_B": "10.0",
    "lambda_identity": "0.5",
    "model": "cycle_gan",
    "name": "horse2zebra",
    "netG": "resnet_9blocks",
    "no_dropout": "True",
    "norm": "instance",
    "pool_size": "50",
}
# Of 2017, with its names.
OLD = {
    "batchSize": "4",
    "dataroot": "./datasets/facades",
    "dataset_mode": "aligned",
    "fineSize": "256",
    "lambda_A": "100.0",
    "loadSize": "286",
    "lr_policy": "lambda",
    "model": "pix2pix",
    "nThreads": "2",
    "name": "facades_pix2pix",
    "niter": "100",
    "niter_decay": "50",
    "no_lsgan": "True",
    "norm": "batch",
    "resize_or_crop": "resize_and_crop",
    "which_direction": "BtoA",
    "which_model_netD": "basic",
    "which_model_netG": "unet_256",
}


def printed(options, changed=("model",)):
    """As the code prints options: those that were changed have a remark behind a tab."""
    rows = [
        f"{name:>25}: {value:<30}" + ("\t[default: None]" if name in changed else "")
        for name, value in sorted(options.items())
    ]
    head, foot = (
        "----------------- Options ---------------",
        "----------------- End -------------------",
    )
    return "\n".join([head, *rows, foot, ""])


# Networks of the size of those in golden/.
SMALL = {"ngf": "4", "ndf": "4", "netG": "unet_128", "load_size": "128", "crop_size": "128"}
