"""The method of an experiment, its losses and its schedule."""

from imtrans.api.errors import quoted
from imtrans.drafting.published import values
from imtrans.drafting.published.options import Options, Refused

METHODS = {
    "pix2pix": "pix2pix",
    "colorization": "pix2pix",
    "test": "pix2pix",
    "cycle_gan": "cyclegan",
}
PLUGIN = "imtrans-cyclegan"
SCHEDULES = {
    "linear": "linear",
    "lambda": "linear",
    "step": "step",
    "plateau": "step",
    "cosine": "cosine",
}
PATIENCE = 6  # epochs, after which its plateau comes down, as it watches a constant
BETA2 = 0.999


def method(options: Options, flag: str) -> str:
    if options.model not in METHODS:
        raise Refused(f"--model '{options.model}' is none of the published code's: {_models()}")
    if options.model == "test":
        options.note(
            "--model test is one generator and no training: the recipe serves import-weights and "
            "translate, and its training is what that code has by default"
        )
    return METHODS[options.model]


def _models() -> str:
    return quoted(METHODS)


def requires(options: Options, flag: str) -> list[str] | None:
    return [PLUGIN] if METHODS.get(options.model) == "cyclegan" else None


def cycle(options: Options, flag: str) -> float:
    if options.number("lambda_A") != options.number("lambda_B"):
        raise Refused(
            f"--lambda_A {options.value('lambda_A')}, --lambda_B {options.value('lambda_B')}: "
            "method.cycle is one weight for both ways. give both the same value"
        )
    return values.weight(options, "lambda_A")


def l1(options: Options, flag: str) -> str:
    return "l1"


def weight(options: Options, flag: str) -> float:
    older = flag not in options.given and "lambda_A" in options.given  # pix2pix of 2017
    return values.weight(options, "lambda_A" if older else flag)


def epochs(options: Options, flag: str) -> int:
    count = options.whole("n_epochs") + options.whole("n_epochs_decay")
    if not count:
        raise Refused("--n_epochs 0, --n_epochs_decay 0: nothing is trained")
    return count


def decay_from(options: Options, flag: str) -> int | None:
    if _schedule(options) != "linear":
        return None
    return options.whole("n_epochs") or None


def schedule(options: Options, flag: str) -> str | None:
    name, policy = _schedule(options), options.value(flag)
    if policy == "plateau":
        options.note(
            "--lr_policy plateau watches no loss in that code, and comes down every "
            f"{PATIENCE} epochs by 0.2: the schedule is 'step' with these"
        )
    if policy == "cosine" and options.whole("n_epochs_decay"):
        options.note(
            "--lr_policy cosine reaches 0 after n_epochs in that code and rises again; here it "
            "falls over all epochs"
        )
    # Where the rate falls from an epoch on, it falls linearly: no need to say it.
    return None if name == "linear" and options.whole("n_epochs") else name


def _schedule(options: Options) -> str:
    policy = options.value("lr_policy")
    if policy not in SCHEDULES:
        known = quoted(name for name in SCHEDULES if name != "lambda")
        raise Refused(f"--lr_policy '{policy}' is none of the published code's: {known}")
    if SCHEDULES[policy] == "linear" and not options.whole("n_epochs_decay"):
        return "constant"
    return SCHEDULES[policy]


def decay_every(options: Options, flag: str) -> int | None:
    if _schedule(options) != "step":
        return None
    if options.value("lr_policy") == "plateau":
        return PATIENCE
    if not options.whole(flag):
        raise Refused("--lr_decay_iters 0: the rate would fall without end")
    return options.whole(flag)


def decay_factor(options: Options, flag: str) -> float | None:
    return {"step": 0.1, "plateau": 0.2}.get(options.value(flag))


def betas(options: Options, flag: str) -> list[float]:
    if not 0 <= options.number(flag) < 1:
        raise Refused(f"--beta1 {options.value(flag)} is not from 0 to below 1")
    return [options.number(flag), BETA2]


def wandb(options: Options, flag: str) -> str | None:
    return "wandb" if options.is_on(flag) else None


def wandb_project(options: Options, flag: str) -> str | None:
    return options.value(flag) or None if options.is_on("use_wandb") else None
