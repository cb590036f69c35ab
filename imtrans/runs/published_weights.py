"""The .pth files of the published PyTorch pix2pix and CycleGAN, turned into checkpoints.

They are plain state_dicts that say nothing about themselves. Architecture, width, norm, dropout and
channels are read off the names and shapes of their tensors; the task comes from a recipe.
"""

import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.data.scale import TrainingScale
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs import checkpoint
from imtrans.task import Task

DISCRIMINATOR = "discriminator"
State = dict[str, Tensor]
Renames = list[tuple[str, str]]  # their module -> ours

U_NETS = {7: "unet_128", 8: "unet_256"}  # by depth
RES_NETS = {6: "resnet_6", 9: "resnet_9"}  # by blocks
PATCH_GANS = {1: "patch_16", 3: "patch_70", 5: "patch_286"}  # by strided layers


@dataclass(frozen=True)
class PublishedNetwork:
    """What a file turned out to hold."""

    path: Path
    role: str  # generator or discriminator
    table: dict[str, Any]  # the recipe's table for it
    channels: tuple[int, ...]  # generator: source, target; discriminator: their sum
    renames: Renames
    state: State

    def __str__(self) -> str:
        options = ", ".join(f"{key} {value}" for key, value in self.table.items() if key != "name")
        return f"{self.table['name']} ({options})"


def import_weights(
    paths: Iterable[Path], recipe: Recipe, catalog: Catalog, output: Path
) -> list[PublishedNetwork]:
    """Write a checkpoint directory from files of generators, of a discriminator, or both.

    Of two generators, `_G_A` in its name makes B of A, and `_G_B` A of B. Raises ImtransError when
    a file is no plain state_dict (code in it is never run), holds no network that is known, or has
    a tensor that does not fit, which is named.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ImtransError(f"{output}: exists already; choose a new --output")
    found = _named([recognise(path) for path in paths], Task(recipe, catalog))
    for name, each in found.items():
        recipe = _fit_recipe(Task(recipe, catalog), name, each)
    task, parts, facts = Task(recipe, catalog), {}, {}
    for name, each in found.items():
        network = task.discriminator() if name == DISCRIMINATOR else task.translator(name)
        parts[name] = translate_names(each, network)
        if name == "generator":
            facts["stride"] = str(network.stride)
        if name != DISCRIMINATOR:
            # As the published test does: every picture is brought to one size.
            facts[f"scale/{name}"] = TrainingScale(
                recipe.data.crop_size, recipe.data.resize
            ).dumps()
    output.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(output, parts, task, facts)
    return list(found.values())


def _named(found: list[PublishedNetwork], task: Task) -> dict[str, PublishedNetwork]:
    """What each file is in the method of a task: one of its translators, or the discriminator."""
    named: dict[str, PublishedNetwork] = {}
    for each in found:
        name = _name(each, task)
        if name in named:
            hint = "" if name == DISCRIMINATOR else _how_to_name(task)
            raise ImtransError(
                f"two files hold a {name}: {named[name].path} and {each.path}; give one of each"
                f"{hint}"
            )
        named[name] = each
    if any(each.role == "generator" for each in found) and "generator" not in named:
        other = "BtoA" if task.recipe.data.direction == "AtoB" else "AtoB"
        raise ImtransError(
            f"{found[0].path}: translates the other way round than the recipe; give the other "
            f"generator too, or --set data.direction={other}"
        )
    _check_alike([each for each in named.values() if each.role == "generator"])
    return named


def _check_alike(generators: list[PublishedNetwork]) -> None:
    for one, other in pairwise(generators):
        if one.table != other.table:
            raise ImtransError(
                f"{other.path}: {other}, but {one.path}: {one}; a recipe has one [generator] for "
                "both directions"
            )


def _how_to_name(task: Task) -> str:
    if len(task.directions) == 1:
        return ""
    return ", with _G_A in the name of what makes B of A, and _G_B in that of what makes A of B"


def _name(found: PublishedNetwork, task: Task) -> str:
    if found.role == DISCRIMINATOR:
        if len(task.directions) > 1:
            raise ImtransError(
                f"{found.path}: holds a discriminator; of CycleGAN the generators are imported, "
                "which is all that translating needs. leave this file out"
            )
        return DISCRIMINATOR
    letter = re.search(r"_G_([AB])", found.path.name)
    if not letter or len(task.directions) == 1:
        return "generator"
    forward = (letter[1] == "A") == (task.recipe.data.direction == "AtoB")
    direction = "forward" if forward else "back"
    return next(name for name, its in task.directions.items() if its == direction)


def recognise(path: Path) -> PublishedNetwork:
    """Read off a file what network it holds."""
    state = _read(path)
    if "model.model.0.weight" in state:
        return _unet(path, state)
    if "model.10.conv_block.1.weight" in state:
        return _resnet(path, state)
    if "net.0.weight" in state:
        return _pixel(path, state)
    if "model.0.weight" in state and "model.2.weight" in state:
        return _patch(path, state)
    first = next(iter(state), "none at all")
    raise ImtransError(
        f"{path}: not a network of the published pix2pix: neither U-Net, ResNet nor discriminator "
        f"has its first key '{first}'"
    )


def translate_names(found: PublishedNetwork, network: nn.Module) -> State:
    """The tensors under our names. Raises ImtransError naming the first that does not fit."""
    own, left, translated = network.state_dict(), dict(found.state), {}
    for theirs, ours in found.renames:
        for leaf in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            name, key = f"{ours}.{leaf}", f"{theirs}.{leaf}"
            tensor = left.pop(key, None)
            if name not in own:
                if tensor is None or (leaf.startswith("running") and not _affine(found, theirs)):
                    continue  # statistics that instance norm kept before PyTorch 0.4
                raise ImtransError(f"{found.path}: '{key}' does not fit {found}")
            if tensor is None and leaf == "num_batches_tracked":
                tensor = torch.zeros((), dtype=torch.int64)  # not written before PyTorch 0.4.1
            if tensor is None:
                raise ImtransError(f"{found.path}: '{key}' is missing for {found}")
            if tensor.shape != own[name].shape:
                shapes = f"{tuple(tensor.shape)}, expected {tuple(own[name].shape)}"
                raise ImtransError(f"{found.path}: '{key}' does not fit {found}: it is {shapes}")
            translated[name] = tensor.to(own[name].dtype)  # some are kept in half precision
    if left:
        raise ImtransError(f"{found.path}: '{next(iter(left))}' does not belong to {found}")
    return translated


def _read(path: Path) -> State:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # weights_only: a pickle may hold code; nothing but tensors and plain values is made.
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ImtransError(f"{path}: no such file") from error
    except pickle.UnpicklingError as error:
        raise ImtransError(
            f"{path}: refused: it holds more than tensors, or is no PyTorch file; nothing in it "
            f"was run ({_asked_for(error)})"
        ) from error
    except Exception as error:  # a damaged archive fails in many ways
        reason = " ".join(str(error).split())[:120] or "it is empty"
        raise ImtransError(f"{path}: not a whole PyTorch file: {reason}") from error
    if not isinstance(state, Mapping) or not all(map(_is_named_tensor, state.items())):
        raise ImtransError(f"{path}: not a plain state_dict (names -> tensors)")
    # Wrappers of the networks leave their mark on every name.
    return {re.sub(r"^(module\.|_orig_mod\.)+", "", name): state[name] for name in state}


def _is_named_tensor(item: tuple[object, object]) -> bool:
    name, tensor = item
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        return False
    return tensor.layout == torch.strided and not tensor.is_meta


def _asked_for(error: Exception) -> str:
    asked = re.search(r"(?:GLOBAL|global|class) ([\w.]+)", str(error))
    return f"it asks for {asked[1]}" if asked else "weights_only"


def _unet(path: Path, state: State) -> PublishedNetwork:
    levels = ["model.model.1"]  # each nested in the one before
    while f"{levels[-1]}.model.3.model.1.weight" in state:
        levels.append(f"{levels[-1]}.model.3")
    depth = len(levels) + 1
    renames = [("model.model.0", "encoder.0.0"), ("model.model.3", f"decoder.{depth - 1}.1")]
    for number, level in enumerate(levels, start=1):
        innermost = number == depth - 1
        up = f"decoder.{depth - 1 - number}"
        conv, norm = ("3", "4") if innermost else ("5", "6")
        renames.append((f"{level}.model.1", f"encoder.{number}.1"))
        if not innermost:
            renames.append((f"{level}.model.2", f"encoder.{number}.2"))
        renames += [(f"{level}.model.{conv}", f"{up}.1"), (f"{level}.model.{norm}", f"{up}.2")]
    name = _known(path, U_NETS, depth, "a U-Net of depth")
    # Dropout is the last layer of its block, shifts no name and cannot be seen: pix2pix has it.
    first, last = _tensor(path, state, "model.model.0.weight", 4), state.get("model.model.3.weight")
    table = {"name": name, "width": first.shape[0], "norm": _norm(state, "model.model.0")}
    target = last.shape[1] if last is not None and last.dim() == 4 else 0
    return PublishedNetwork(path, "generator", table, (first.shape[1], target), renames, state)


def _resnet(path: Path, state: State) -> PublishedNetwork:
    blocks = len({m[1] for key in state if (m := re.match(r"model\.(\d+)\.conv_block\.", key))})
    # With dropout in the block its second convolution is one place further.
    dropout = "model.10.conv_block.6.weight" in state and (
        state["model.10.conv_block.6.weight"].dim() == 4
    )
    second = 6 if dropout else 5
    renames = [(f"model.{n}", f"encoder.{n}") for n in (1, 2, 4, 5, 7, 8)]
    for block in range(blocks):
        theirs, ours = f"model.{10 + block}.conv_block", f"blocks.{block}"
        renames += [(f"{theirs}.1", f"{ours}.first.1"), (f"{theirs}.2", f"{ours}.first.2")]
        renames += [
            (f"{theirs}.{second}", f"{ours}.second.1"),
            (f"{theirs}.{second + 1}", f"{ours}.second.2"),
        ]
    up = 10 + blocks
    renames += [(f"model.{up + n}", f"decoder.{n}") for n in (0, 1, 3, 4, 7)]
    name = _known(path, RES_NETS, blocks, "a ResNet with so many blocks:")
    first, last = _tensor(path, state, "model.1.weight", 4), state.get(f"model.{up + 7}.weight")
    table = {"name": name, "width": first.shape[0], "norm": _norm(state, "model.1")}
    table["dropout"] = 0.5 if dropout else 0.0
    target = last.shape[0] if last is not None else 0
    return PublishedNetwork(path, "generator", table, (first.shape[1], target), renames, state)


def _patch(path: Path, state: State) -> PublishedNetwork:
    last = max(int(m[1]) for key in state if (m := re.match(r"model\.(\d+)\.", key)))
    layers = (last - 2) // 3
    renames = [("model.0", "trunk.0"), (f"model.{last}", "head")]
    for layer in range(1, layers + 1):
        at = 3 * layer - 1
        renames += [(f"model.{at}", f"trunk.{at}"), (f"model.{at + 1}", f"trunk.{at + 1}")]
    first = _tensor(path, state, "model.0.weight", 4)
    name = PATCH_GANS.get(layers, "patch")
    table = {"name": name, "width": first.shape[0], "norm": _norm(state, "model.2")}
    if name == "patch":
        table["layers"] = layers
    return PublishedNetwork(path, "discriminator", table, (first.shape[1],), renames, state)


def _pixel(path: Path, state: State) -> PublishedNetwork:
    renames = [(f"net.{n}", f"trunk.{n}") for n in (0, 2, 3)] + [("net.5", "head")]
    first = _tensor(path, state, "net.0.weight", 4)
    table = {"name": "pixel", "width": first.shape[0], "norm": _norm(state, "net.2")}
    return PublishedNetwork(path, "discriminator", table, (first.shape[1],), renames, state)


def _norm(state: State, normed: str) -> str:
    """The norm, from the bias of a convolution that has one under instance norm alone."""
    if f"{normed}.bias" in state:
        return "instance"
    return "batch" if any(key.endswith("running_mean") for key in state) else "none"


def _affine(found: PublishedNetwork, norm: str) -> bool:
    return f"{norm}.weight" in found.state


def _tensor(path: Path, state: State, key: str, dimensions: int) -> Tensor:
    tensor = state.get(key)
    if tensor is None or tensor.dim() != dimensions:
        raise ImtransError(f"{path}: '{key}' is missing or not a convolution's weight")
    return tensor


def _known(path: Path, names: Mapping[int, str], number: int, what: str) -> str:
    if number not in names:
        known = ", ".join(map(str, names))
        raise ImtransError(f"{path}: {what} {number}; known are {known}")
    return names[number]


def _fit_recipe(task: Task, name: str, found: PublishedNetwork) -> Recipe:
    """The recipe with this network in it, and with its channels where the data can follow."""
    recipe, encoding = task.recipe, task.encoding
    values = recipe.model_dump(mode="json", exclude_none=True, by_alias=True)
    values[found.role] = table = {**found.table}
    have = (encoding.source_channels, encoding.target_channels)
    back = task.directions.get(name) == "back"
    channels = found.channels[::-1] if back else found.channels
    if found.role == "generator" and channels != have:
        if recipe.data.derive or recipe.data.source.classes or recipe.data.target.classes:
            raise ImtransError(
                f"{found.path}: translates {channels[0]} channels to {channels[1]}; "
                f"the recipe's data have {have[0]} and {have[1]}. choose another --recipe"
            )
        values["data"]["source"]["channels"], values["data"]["target"]["channels"] = channels
    if found.role == "discriminator" and found.channels[0] != sum(have):
        if found.channels[0] != have[1]:
            raise ImtransError(
                f"{found.path}: takes {found.channels[0]} channels; the recipe's data have "
                f"{have[0]} and {have[1]}. choose another --recipe"
            )
        table["conditional"] = False
    return Recipe.model_validate(values)
