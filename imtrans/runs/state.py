"""Everything from which a run can be continued, to and from a checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.components.methods.pix2pix import Pix2Pix
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs import checkpoint
from imtrans.runs.best import Best
from imtrans.runs.checksums import verify
from imtrans.runs.run_dir import RunDir

LEARNING = "learning/generator/"


@dataclass
class Position:
    """What comes next: batch `batch` (from 0) of epoch `epoch` (from 1), after `step` steps."""

    epoch: int = 1
    batch: int = 0
    step: int = 0
    best: Best = field(default_factory=Best)


def save(
    path: Path,
    model: Pix2Pix,
    position: Position,
    recipe: Recipe,
    catalog: Catalog,
    batches_per_epoch: int,
) -> None:
    """Write a checkpoint of a model at a position."""
    # The generator's file translates, so it holds the average, where there is one.
    parts = {
        checkpoint.GENERATOR: model.translating.state_dict(),
        checkpoint.DISCRIMINATOR: model.discriminator.state_dict(),
        checkpoint.TRAINING: model.optimizer_state()
        | _behind_the_average(model)
        | _random_state(model.device),
    }
    checkpoint.save(
        path,
        parts,
        recipe=recipe,
        catalog=catalog,
        stride=int(model.generator.stride),  # type: ignore[arg-type]
        step=position.step,
        epoch=position.epoch,
        facts={
            "batch": str(position.batch),
            "batches_per_epoch": str(batches_per_epoch),
            "best": position.best.dumps(),
        },
    )


def save_generator(
    path: Path, model: Pix2Pix, position: Position, recipe: Recipe, catalog: Catalog
) -> None:
    """Write a checkpoint that translates and no more."""
    checkpoint.save(
        path,
        {checkpoint.GENERATOR: model.translating.state_dict()},
        recipe=recipe,
        catalog=catalog,
        stride=int(model.generator.stride),  # type: ignore[arg-type]
        step=position.step,
        epoch=position.epoch,
        facts={"batch": str(position.batch), "best": position.best.dumps()},
    )


def take_up(run: RunDir, model: Pix2Pix, per_epoch: int, say: Callable[[str], None]) -> Position:
    """Put a model where its run stands: into the state of the newest checkpoint, if any."""
    torch.manual_seed(run.recipe.seed)
    found = _newest_whole(run, model, say)
    if not found:
        return Position()
    path, position, per_epoch_then = found
    epochs = run.recipe.train.epochs
    where = f", in epoch {position.epoch} of {epochs}"
    done = f": all {epochs} epochs are done; a larger train.epochs would go on"
    say(f"continuing after {path}{where if position.epoch <= epochs else done}")
    if position.batch and per_epoch != per_epoch_then:
        # A place inside an epoch means nothing in other data.
        position.batch = 0
        say(
            f"the data changed: an epoch had {per_epoch_then} batches, now it has {per_epoch}; "
            f"epoch {position.epoch} starts again"
        )
    return position


def _newest_whole(
    run: RunDir, model: Pix2Pix, say: Callable[[str], None]
) -> tuple[Path, Position, int] | None:
    """Restore the newest checkpoint that can be; one that is damaged is set aside."""
    paths = run.learned()
    for path in reversed(paths):
        try:
            return path, *restore(path, model)
        except ImtransError as error:
            if path == paths[0]:
                raise ImtransError(
                    f"{error}\nno checkpoint before it is left. start anew with --fresh (the run "
                    "is kept aside)"
                ) from error
            say(f"{error}; taking the checkpoint before it")
            _set_aside(path)
    return None


def _set_aside(path: Path) -> None:
    aside, number = path.with_name(f"{path.name}.damaged"), 1
    while aside.exists():  # the same step was damaged before
        aside, number = path.with_name(f"{path.name}.damaged-{number}"), number + 1
    path.rename(aside)


def restore(path: Path, model: Pix2Pix) -> tuple[Position, int]:
    """Put a model into the state of a checkpoint; returns its position, and how many batches an
    epoch had. Raises ImtransError when a file is missing, damaged, or of another checkpoint."""
    verify(path)
    headers = [checkpoint.read_header(path / part) for part in checkpoint.PARTS]
    header = headers[-1]
    if len({other.step for other in headers}) > 1:
        raise ImtransError(f"{path}: its files are of different steps; use another checkpoint")
    best = Best.loads(header.facts.get("best"))
    position = Position(header.epoch, header.number("batch"), header.step, best)
    checkpoint.load_into(model.translating, path / checkpoint.GENERATOR)
    checkpoint.load_into(model.discriminator, path / checkpoint.DISCRIMINATOR)
    state = checkpoint.read_tensors(path / checkpoint.TRAINING)
    try:
        if model.average:
            learning = {k.removeprefix(LEARNING): v for k, v in state.items() if LEARNING in k}
            model.generator.load_state_dict(learning)
            model.average.updates.copy_(state["average/updates"])
        model.load_optimizer_state(state)
        _set_random_state(state, model.device)
    except (KeyError, ValueError, RuntimeError) as error:
        raise ImtransError(
            f"{path / checkpoint.TRAINING}: does not fit this recipe: {error}"
        ) from error
    return position, header.number("batches_per_epoch")


def _behind_the_average(model: Pix2Pix) -> dict[str, Tensor]:
    """The generator that learns, where another is kept to translate with."""
    if not model.average:
        return {}
    learning = {LEARNING + name: value for name, value in model.generator.state_dict().items()}
    return learning | {"average/updates": model.average.updates}


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"random/cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["random/cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["random/cpu"])
    if device.type == "cuda" and "random/cuda" in state:
        torch.cuda.set_rng_state(state["random/cuda"], device)
