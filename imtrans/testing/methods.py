"""What a training method promises."""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from imtrans.api.method import Method
from imtrans.api.samplers import nfe_of, noise_channels
from imtrans.contracts.methods import probe_terms
from imtrans.contracts.samplers import probe_nfe, probe_noise
from imtrans.contracts.weights import check_same
from imtrans.runs.state import Position, snapshot_translators
from imtrans.runs.weights import load_into
from imtrans.task import Task
from imtrans.testing.case import Case
from imtrans.testing.small_recipe import small_recipe, write_pairs
from imtrans.training.step.engine import plain
from imtrans.training.step.step import Step

CPU = torch.device("cpu")
EPOCHS = (*range(1, 300), *range(300, 3000, 50), 10**6)  # in which phases may be others


def task_of(case: Case) -> Task:
    options = case.options_given()
    return Task(small_recipe(case, case.component.name, **options), case.catalog)


def step_of(task: Task) -> Step:
    return Step(task.method(CPU), plain(CPU), task.recipe.train)


def weights(modules: Iterable[nn.Module]) -> Tensor:
    return torch.cat([p.detach().flatten() for module in modules for p in module.parameters()])


def has_finite_terms_the_same_at_a_seed_and_changes_no_batch(case: Case) -> None:
    task = task_of(case)
    probe_terms(case.component, task.method(CPU), task.noise(CPU, 2))


def a_step_trains_every_network_in_its_phase(case: Case) -> None:
    task = task_of(case)
    step = step_of(task)
    before = {phase.name: weights(phase.trains) for phase in step.phases}
    losses = step(task.noise(CPU, 2))
    step.finish()
    for phase in step.phases:
        if torch.equal(before[phase.name], weights(phase.trains)):
            raise case.broken(
                f"the phase '{phase.name}' left what it trains as it was",
                "a step trains the networks of each phase",
                "let a term with a weight depend on each of them",
            )
    if not losses or not all(math.isfinite(float(value)) for value in losses.values()):
        raise case.broken(
            f"its terms are { {name: float(value) for name, value in losses.items()} }",
            "a step logs finite terms",
            "look for a division by 0, or the root or logarithm of it",
        )


def trains_what_translates(case: Case) -> None:
    method = task_of(case).method(CPU)
    trained = {id(p) for p in trained_in_some_epoch(method)}
    for name, module in method.translators().items():
        if not {id(p) for p in module.parameters()} <= trained:
            raise case.broken(
                f"the translator '{name}' has parameters that no phase trains",
                "what translates is what was trained",
                "put its network into `trains` of a phase",
            )


def every_network_is_in_a_phase(case: Case) -> None:
    method = task_of(case).method(CPU)
    trained = {id(p) for p in trained_in_some_epoch(method)}
    for name, network in method.networks().items():
        learns = {id(p) for p in network.parameters() if p.requires_grad}
        if learns and not learns & trained:
            raise case.broken(
                f"network '{name}' is a child, but no phase trains it",
                "what learns is in `trains` of a phase, in one epoch at least",
                "put it into `trains` of a phase, do not make it, or freeze it: "
                "`.requires_grad_(False)`",
            )


def trained_in_some_epoch(method: Method) -> Iterator[nn.Parameter]:
    """Which parameters phases train: those of an epoch may be others than those of the first."""
    for epoch in EPOCHS:
        method.at_epoch(epoch)
        for phase in method.phases():
            for module in phase.trains:
                yield from module.parameters()


def is_the_same_for_the_same_seed(case: Case) -> None:
    task = task_of(case)
    one, other = (task.method(CPU).state_dict() for _ in range(2))
    check_same(case.component, one, other)


def a_translator_built_alone_takes_the_weights_of_a_checkpoint(case: Case) -> None:
    write_pairs(case.folder)
    task = task_of(case)
    step, folder = step_of(task), case.folder / "checkpoint"
    snapshot_translators(folder, step, Position(), task)()
    source, target = task.noise(CPU, 1)
    for name, trained in step.method.translators().items():
        alone = task.translator(name)
        load_into(alone, folder / f"{name}.safetensors")
        given = source if task.directions[name] == "forward" else target
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            outputs = []
            for network in (alone, trained):
                torch.manual_seed(0)
                outputs.append(network.eval()(given))
        if not torch.equal(*outputs):
            raise case.broken(
                f"the translator '{name}' built alone translates otherwise than the trained one",
                "`translator` builds what `translators()` returns: with the weights of a "
                "checkpoint it translates as in training",
                "build it from the same parts and options in both",
            )


def what_samples_is_a_function_of_its_source_and_its_noise(case: Case) -> None:
    for translator, source in translators(case):
        if noise_channels(translator) is not None:
            probe_noise(case.component, translator, source)


def what_samples_takes_another_number_of_evaluations(case: Case) -> None:
    for translator, source in translators(case):
        if nfe_of(translator) is not None:
            probe_nfe(case.component, translator, source)


def translators(case: Case) -> Iterator[tuple[nn.Module, Tensor]]:
    """Each with noise in [-1, 1] for its source."""
    task = task_of(case)
    source, target = task.noise(CPU, 1)
    for name, module in task.method(CPU).translators().items():
        yield module, source if task.directions[name] == "forward" else target


PROMISES = (
    has_finite_terms_the_same_at_a_seed_and_changes_no_batch,
    a_step_trains_every_network_in_its_phase,
    trains_what_translates,
    every_network_is_in_a_phase,
    is_the_same_for_the_same_seed,
    a_translator_built_alone_takes_the_weights_of_a_checkpoint,
    what_samples_is_a_function_of_its_source_and_its_noise,
    what_samples_takes_another_number_of_evaluations,
)
