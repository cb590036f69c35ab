"""A method that breaks its contract is one line that names it, before the first step."""

from dataclasses import dataclass
from importlib.metadata import entry_points

import pytest
import torch
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch, Method, Phase, Term
from imtrans.checking.recipe import check
from imtrans.recipe.catalog import GROUP, collect
from imtrans.recipe.reading import parse
from imtrans.recipe.registry import Plugin
from imtrans.task import Task
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.trial import tried_step

CPU = torch.device("cpu")
RECIPE = """
data.root = "."
data.crop_size = 16
method = "own"
train.epochs = 1
"""


def network(channels=3):
    made = nn.Conv2d(3, channels, 3, 1, 1)
    made.stride = 1
    return made


class Own(Method):
    """Keeps its contract; each of the others breaks one sentence of it."""

    needs = frozenset()

    def __init__(self, parts):
        super().__init__()
        self.generator = network()

    def forward(self, batch):
        return self.generator(batch.source)

    def phases(self):
        return [Phase("only", [self.generator], self.loss)]

    def loss(self, batch, made):
        return [Term("error", (made - batch.target).square().mean())]

    def translators(self):
        return {"generator": self.generator}


def begun(builder, engine=None):
    """What happens before the first step."""
    installed = collect(entry_points(group=GROUP))
    installed.methods.register("own", builder, Plugin("own_plugin", "imtrans-own", "1.0"))
    recipe = parse(RECIPE, "the recipe", (), installed)
    task = Task(recipe, installed)
    method = task.method(CPU)
    return tried_step(method, engine or plain(CPU), recipe.train, task.noise(CPU), pytest.fail)


def checked(builder):
    """What `imtrans check` finds."""
    installed = collect(entry_points(group=GROUP))
    installed.methods.register("own", builder, Plugin("own_plugin", "imtrans-own", "1.0"))
    return check(Task(parse(RECIPE, "the recipe", (), installed), installed))


@pytest.mark.parametrize("engine", [plain(CPU), Engine("fast", CPU)], ids=str)
def test_one_that_keeps_it_begins(engine):
    step = begun(Own, engine)
    batch = Batch(*(torch.zeros(1, 3, 16, 16) for _ in range(2)))
    assert step(batch)["error"].isfinite()


# --- phases ---


class NoPhase(Own):
    def phases(self):
        return ()


class NoPhases(Own):
    def phases(self):
        pass


class NotPhases(Own):
    def phases(self):
        return [self.generator]


class NotModules(Own):
    def phases(self):
        return [Phase("only", list(self.generator.parameters()), self.loss)]


class NoList(Own):
    def phases(self):
        return [Phase("only", self.generator, self.loss)]


class Exhausted(Own):
    def phases(self):
        return [Phase("only", (net for net in [self.generator]), self.loss)]


class SharedParameter(Own):
    def __init__(self, parts):
        super().__init__(parts)
        self.second = network()
        self.second.weight = self.generator.weight

    def phases(self):
        return [
            Phase("first", [self.generator], self.loss),
            Phase("second", [self.second], self.loss),
        ]


class SameNames(SharedParameter):
    def phases(self):
        return [Phase("only", [net], self.loss) for net in (self.generator, self.second)]


class Frozen(Own):
    def __init__(self, parts):
        super().__init__(parts)
        self.generator.requires_grad_(False)


class Hidden(Own):
    def __init__(self, parts):
        super().__init__(parts)
        self.others = [network()]

    def phases(self):
        return [*super().phases(), Phase("hidden", self.others, self.loss)]


class Repeated(Own):
    def phases(self):
        return [Phase("only", [self.generator], self.loss, times=2)]


# --- terms ---


class NotANumber(Own):
    def loss(self, batch, made):
        return [Term("error", made.mean()), Term("ratio", made.mean() * float("nan"))]


class NoScalar(Own):
    def loss(self, batch, made):
        return [Term("error", made.square())]


class NoTensor(Own):
    def loss(self, batch, made):
        return [Term("error", 0.5)]


class NoTerm(Own):
    def loss(self, batch, made):
        return [made.mean()]


class OneTerm(Own):
    def loss(self, batch, made):
        return Term("error", made.mean())


class Nothing(Own):
    def loss(self, batch, made):
        pass


class NoWeight(Own):
    def loss(self, batch, made):
        return [Term("error", made.mean(), 0.0)]


class NoGradient(Own):
    def loss(self, batch, made):
        return [Term("error", made.detach().mean())]


class SameTerms(Own):
    def __init__(self, parts):
        super().__init__(parts)
        self.second = network()

    def phases(self):
        return [*super().phases(), Phase("second", [self.second], self.again)]

    def again(self, batch, made):
        return [Term("error", self.second(batch.source).mean())]


# --- translators ---


class OtherTranslators(Own):
    def translators(self):
        return {"generator": self.generator, "generator_back": self.generator}


class OtherFirst(Own):
    directions = {"forth": "forward"}

    def translators(self):
        return {"forth": self.generator}


class NoTranslators(Own):
    def translators(self):
        pass


class NoModule(Own):
    def translators(self):
        return {"generator": self.generator.forward}


class NoStride(Own):
    def __init__(self, parts):
        super().__init__(parts)
        self.generator = nn.Sequential(network())


class OtherChannels(Own):
    def __init__(self, parts):
        super().__init__(parts)
        self.generator = network(channels=4)


class HiddenTranslator(Own):
    def translators(self):
        return {"generator": self.hidden[0]}

    def __init__(self, parts):
        super().__init__(parts)
        self.hidden = [network()]


BROKEN = {
    NoPhase: "phases() is empty: nothing would be trained",
    NoPhases: "phases() returned a NoneType, not a list of Phases",
    NotPhases: "phases() has a Conv2d, not a Phase",
    NotModules: "the phase 'only' trains a Parameter; `trains` is a list of modules",
    NoList: "the phase 'only' trains a Conv2d; `trains` is a list of modules",
    Exhausted: "the phase 'only' trains a generator; `trains` is a list of modules",
    SharedParameter: "the parameter 'generator.weight' is in two phases, 'first' and 'second'",
    SameNames: "two phases are called 'only'",
    Frozen: "the phase 'only' trains no parameters",
    Hidden: "the phase 'hidden' trains a network that is not a child of the method",
    Repeated: "the phase 'only' has times = 2: only a detached phase",
    NotANumber: "the loss 'ratio' is nan on noise",
    NoScalar: "the term 'error' of the phase 'only' is no scalar: (1, 3, 16, 16)",
    NoTensor: "the term 'error' of the phase 'only' is no scalar: <class 'float'>",
    NoTerm: "the phase 'only' returned a Tensor, not a Term",
    OneTerm: "the phase 'only' returned a Term, not a list of Terms",
    Nothing: "the phase 'only' returned a NoneType, not a list of Terms",
    NoWeight: "the phase 'only' has no term with a weight",
    NoGradient: "the phase 'only': no term depends on what it trains",
    SameTerms: "two phases have terms called 'error'",
    OtherTranslators: "translators() has ['generator', 'generator_back'], and its class says",
    OtherFirst: "the first is to be 'generator'",
    NoTranslators: "translators() returned a NoneType, not a dict of modules",
    NoModule: "the translator 'generator' is a method, not a module",
    NoStride: "it has no whole number `stride`",
    OtherChannels: "made (1, 4, 16, 16) of (1, 3, 16, 16); the target is (1, 3, 16, 16)",
    HiddenTranslator: "the translator 'generator' has parameters that are not the method's",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_contract_is_one_line_that_names_the_method(broken):
    with pytest.raises(ImtransError) as refused:
        begun(broken)
    said = str(refused.value)
    assert BROKEN[broken] in said
    assert "\n" not in said
    assert "'own'" in said or f"method {broken.__name__} (test_method_contract)" in said


@pytest.mark.parametrize("engine", [plain(CPU), Engine("fast", CPU)], ids=str)
def test_no_simpler_engine_is_tried_with_it(engine):
    with pytest.raises(ImtransError, match="the loss 'ratio' is nan"):
        begun(NotANumber, engine)


def test_a_function_is_refused_when_it_is_registered():
    with pytest.raises(ImtransError, match="not a class derived from imtrans.api.method.Method"):
        begun(lambda parts: Own(parts))


@dataclass
class Alike:
    """What a method's class says, and no method."""

    parts: object

    needs, paired, directions, translator = frozenset(), True, {"generator": "forward"}, None


def test_what_is_no_method_is_refused():
    with pytest.raises(ImtransError, match=r"'own' from plugin own_plugin .*: it builds no Method"):
        begun(Alike)


def test_a_network_does_not_hide_a_method_of_torch():
    class Hiding(Own):
        def __init__(self, parts):
            super().__init__(parts)
            self.half = network()

    with pytest.raises(ImtransError, match="Hiding calls a network 'half', .* another name"):
        begun(Hiding)


def test_what_a_third_partys_method_raises_in_the_check_is_named_with_its_line():
    class Raising(Own):
        def loss(self, batch, made):
            raise AttributeError("no such thing")

    finding = next(each for each in checked(Raising) if each.subject == "one step")
    assert finding.message.startswith("AttributeError: no such thing, ")
    assert f"{__file__}:" in finding.message
