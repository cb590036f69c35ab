"""The networks of an experiment, and the game between them."""

from imtrans.api.errors import quoted
from imtrans.drafting.published.options import Options, Refused

GENERATORS = {
    "unet_128": "unet_128",
    "unet_256": "unet_256",
    "resnet_6blocks": "resnet_6",
    "resnet_9blocks": "resnet_9",
}
PATCHES = {1: "patch_16", 3: "patch_70", 5: "patch_286"}  # by strided layers
MOST_LAYERS = 7
NORMS = ("batch", "instance", "none")


def generator(options: Options, flag: str) -> str:
    value = options.value(flag)
    if value not in GENERATORS:
        raise Refused(f"--netG '{value}' is none of the published code's: {quoted(GENERATORS)}")
    return GENERATORS[value]


def norm(options: Options, flag: str) -> str:
    value = options.value(flag)
    if value == "syncbatch":
        return "batch"
    if value not in NORMS:
        raise Refused(f"--norm '{value}' is none of {quoted((*NORMS, 'syncbatch'))}")
    return value


def synchronised(options: Options, flag: str) -> bool | None:
    return True if options.value(flag) == "syncbatch" else None


def dropout(options: Options, flag: str) -> float:
    if options.is_on(flag):
        return 0.0
    if options.value("netG").startswith("unet"):
        options.note(
            "dropout of the U-Net is in the three innermost blocks of the decoder, as in the "
            "paper; that code leaves out the innermost"
        )
    options.note(
        "dropout is off when translating; `translate --dropout-seed 0` has it on, as that code "
        "always has unless --eval"
    )
    return 0.5


def discriminator(options: Options, flag: str) -> str:
    value = options.value(flag)
    if value == "basic":
        return "patch_70"
    if value == "pixel":
        return "pixel"
    if value != "n_layers":
        raise Refused(f"--netD '{value}' is none of the published code's: basic, n_layers, pixel")
    return PATCHES.get(_layers(options), "patch")


def layers(options: Options, flag: str) -> int | None:
    if options.value("netD") != "n_layers" or _layers(options) in PATCHES:
        return None
    return _layers(options)


def _layers(options: Options) -> int:
    count = options.whole("n_layers_D")
    if not 1 <= count <= MOST_LAYERS:
        raise Refused(f"--n_layers_D {count}: a PatchGAN has 1 to {MOST_LAYERS} here")
    return count


def adversarial(options: Options, flag: str) -> str:
    if "no_lsgan" in options.given and flag not in options.given:  # 2017
        return "vanilla" if options.is_on("no_lsgan") else "lsgan"
    value = options.value(flag)
    if value == "wgangp":
        raise Refused(
            "--gan_mode wgangp: imtrans has no such loss (that code trains it without its "
            "gradient penalty). write vanilla, lsgan or hinge there: hinge is the nearest"
        )
    if value not in ("vanilla", "lsgan", "hinge"):
        raise Refused(f"--gan_mode '{value}' is none of 'vanilla', 'lsgan'")
    return value
