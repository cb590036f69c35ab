"""A plugin with a fault is one line that names component, plugin and remedy, before step 1; and
`imtrans plugins check` says the same."""

import pickle
import tomllib
from dataclasses import replace

import pytest
import torch
from strange_plugins import FAULTS, ROLES, code_of

from imtrans.api.errors import ImtransError
from imtrans.contracts.broken import BrokenContract
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog, catalog
from imtrans.recipe.components import METHOD_TABLES
from imtrans.recipe.registry import Plugin, Registry
from imtrans.recipe.toml import dumps
from imtrans.task import Task
from imtrans.testing.case import Case
from imtrans.testing.package import check_component
from imtrans.testing.promises import check, promises_of

CPU = torch.device("cpu")
PLUGIN = "from plugin imtrans_strange (imtrans-strange 1.0)"


def installed_with(role, code):
    """The catalog, and the component 'strange' that a module of a plugin would register."""
    module = {}
    exec(compile(code, "imtrans_strange.py", "exec"), module)
    own = {
        field: replace(registry, components=dict(registry.components))
        for field, registry in vars(catalog()).items()
        if isinstance(registry, Registry)
    }
    found = Catalog(**own)
    plugin = Plugin("imtrans_strange", "imtrans-strange", "1.0")
    found.registries[role].register("strange", module["Strange"], plugin)
    return found


RECIPE = """
data = { root = ".", crop_size = 32, load_size = 36 }
generator = { name = "resnet_6", width = 1 }
discriminator = { name = "pixel", width = 2 }
adversarial = { name = "vanilla" }
loss = [{ name = "l1" }]
train.epochs = 1
"""


def recipe_with(role, installed):
    """A recipe with the component 'strange' in one role."""
    values, strange = tomllib.loads(RECIPE), {"name": "strange"}
    if role in ("generator", "discriminator"):
        values[role] = strange
    elif role == "adversarial loss":
        values["adversarial"] = strange
    elif role in ("loss", "augmentation"):
        values[{"loss": "loss", "augmentation": "augment"}[role]] = [strange]
    elif role == "method":
        values = {k: v for k, v in values.items() if k not in METHOD_TABLES or k == "generator"}
        values["method"] = strange
    elif role == "derivation":
        values["data"] |= {"derive": "strange", "layout": "photos"}
    else:
        values["validate"] = {"metrics": ["strange"], "every": 4}
    return recipes.parse(dumps(values), "the recipe", (), installed)


def begin(role, installed):
    """What a training builds before its first step, as far as the role matters."""
    task = Task(recipe_with(role, installed), installed)
    if role == "metric":
        task.metrics()
    elif role in ("derivation", "augmentation"):
        assert task.sampler
    else:
        task.method(CPU)


def faults_found(role, installed, folder):
    """What the promises say of it, one after the other."""
    component = installed.registries[role]["strange"]
    for promise in promises_of(role):
        try:
            check(promise, Case(component, installed, folder))
        except BrokenContract as error:
            yield str(error)


@pytest.mark.parametrize("role", ROLES)
def test_a_plugin_without_a_fault_begins_and_is_not_disturbed(role):
    installed = installed_with(role, code_of(role))
    torch.manual_seed(3)
    before = torch.get_rng_state()
    begin(role, installed)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_before_the_first_step_and_of_the_check(name, tmp_path):
    fault = FAULTS[name]
    installed = installed_with(fault.role, code_of(fault.role, fault))
    with pytest.raises(ImtransError) as refused:
        begin(fault.role, installed)
    said = str(refused.value)
    assert f"{fault.role} 'strange' {PLUGIN} breaks its contract: " in said
    assert fault.said in said
    assert "\n" not in said
    assert any(fault.said in line for line in faults_found(fault.role, installed, tmp_path))


@pytest.mark.parametrize(
    ("place", "line", "said"),
    [
        (
            "torch.tanh(self",
            "(self",
            "a generator makes images in [-1, 1], whatever its weights are",
        ),
        ("torch.tanh(self", "torch.sigmoid(self", "end with `torch.tanh`, not with a sigmoid"),
        (
            "# at its end",
            "self.scale = nn.Parameter(torch.ones(1))",
            "no gradient reaches 'scale'",
        ),
        (
            "# at first",
            "source = source.view(len(source), -1).view(source.shape)",
            "use `reshape` or `flatten` instead of `view`",
        ),
    ],
)
def test_a_generator_with_a_fault_is_found_by_the_check(place, line, said, tmp_path):
    code = code_of("generator")
    assert place in code
    installed = installed_with("generator", code.replace(place, line))
    assert any(said in fault for fault in faults_found("generator", installed, tmp_path))


def test_a_generator_whose_last_layer_begins_at_0_is_sound():
    zeros = "self.last = nn.Conv2d(out_channels, out_channels, 1)"
    zeros += "; [weight.data.zero_() for weight in self.last.parameters()]"
    code = code_of("generator").replace("# at its end", zeros)
    code = code.replace("self.first(source)", "self.last(self.first(source))")
    code = code.replace("self.stride = 4", "self.stride = 1")
    installed = installed_with("generator", code)
    checked = check_component(installed.registries["generator"]["strange"], installed, {})
    assert list(checked.broken) == []


UNTRAINED = "self.coarse = parts.generator()"


def test_a_network_that_no_phase_trains_is_named_unless_it_is_frozen(tmp_path):
    code = code_of("method")
    (tmp_path / "untrained").mkdir()
    untrained = installed_with("method", code.replace("# at its end", UNTRAINED))
    (said,) = faults_found("method", untrained, tmp_path / "untrained")
    assert "network 'coarse' is a child, but no phase trains it" in said
    frozen = f"{UNTRAINED}.requires_grad_(False)"
    installed = installed_with("method", code.replace("# at its end", frozen))
    assert list(faults_found("method", installed, tmp_path)) == []


def test_a_network_that_a_later_epoch_trains_is_trained(tmp_path):
    code = code_of("method").replace("# at its end", f"{UNTRAINED}; self.epoch = 1")
    code = code.replace("        return [\n", LATER + "        return [\n", 1)
    code += """
    def at_epoch(self, epoch):
        changed, self.epoch = self.epoch < 9 <= epoch, epoch
        return changed
"""
    assert list(faults_found("method", installed_with("method", code), tmp_path)) == []


LATER = """
        if self.epoch >= 9:
            return [Phase("coarse", [self.coarse], lambda batch, made: [])]
"""


def test_what_is_wrong_before_a_module_is_said_so():
    code = code_of("generator").replace("# at first", "source = source / 0 * 0")
    with pytest.raises(ImtransError, match="first before its module 'first'"):
        begin("generator", installed_with("generator", code))


def test_a_fault_that_breaks_many_promises_is_told_once(tmp_path):
    installed = installed_with("loss", code_of("loss").replace("# at last", "value = value[3]"))
    checked = check_component(installed.registries["loss"]["strange"], installed, {})
    ((_, told),) = checked.broken
    assert told.found.startswith("it raised IndexError")
    assert checked.untested == 3


def test_what_phases_do_against_their_contract_is_the_finding(tmp_path):
    code = code_of("method").replace("[self.mixing], self.mix", "[self.generator], self.mix")
    installed = installed_with("method", code)
    told = list(faults_found("method", installed, tmp_path))
    assert any("contract: the parameter 'generator." in fault for fault in told)


def test_it_passes_between_processes():
    error = BrokenContract("loss 'x'", "it is not", "it is", "make it so")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.lesson) == (str(error), error.lesson)
    assert str(error) == "loss 'x' breaks its contract: it is not. it is. to do: make it so"
