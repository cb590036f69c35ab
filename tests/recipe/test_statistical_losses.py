"""The promises of losses, of those that compare statistics rather than pixels."""

import pytest
from strange_plugins import code_of
from test_plugin_faults import faults_found, installed_with

TV = """
def tv(x):
    return sum(x.diff(dim=dim).abs().mean((1, 2, 3)) for dim in (2, 3))
"""


def faults_of(value, folder):
    """The faults that are found of a loss of this value."""
    code = TV + code_of("loss").replace("(output - target).abs().mean()", value)
    return list(faults_found("loss", installed_with("loss", code), folder))


@pytest.mark.parametrize(
    "value",
    [
        "(tv(output) - tv(target)).abs().mean()",
        "(tv(output) - tv(target)).square().mean()",
        "(tv(output) / (tv(target) + 1e-3) - 1).abs().mean()",
        "(output.std((2, 3)) - target.std((2, 3))).abs().mean()",
        "1 - nn.functional.cosine_similarity(output.flatten(1), target.flatten(1)).mean()",
    ],
)
def test_a_loss_of_statistics_keeps_its_promises(value, tmp_path):
    assert faults_of(value, tmp_path) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("tv(output).mean()", "for two targets that are unlike"),
        ("(tv(output) / (tv(target) + 1e-3)).mean()", "and where they differ"),
        ("(tv(output) / tv(target) - 1).abs().mean()", "it gave inf for a target of one colour"),
        (
            "((output - target).abs().amax((2, 3)) / (output.amax((2, 3)) - output.amin((2, 3))))"
            ".mean()",
            "it gave nan for an output and a target of the same one colour",
        ),
        (
            "2 * (tv(output) - tv(target)).abs().mean().detach()"
            " - (tv(output) - tv(target)).abs().mean()",
            "take it from",
        ),
        ("(output.detach() - target).abs().mean() + 0 * output.sum()", "its gradient is 0 at most"),
    ],
)
def test_a_loss_that_leads_elsewhere_breaks_one(value, said, tmp_path):
    assert any(said in fault for fault in faults_of(value, tmp_path))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("(output - target).abs().mean((1, 2, 3))", "to do: end with `.mean()`"),
        ("(output - target).abs().mean().item()", "it returned a float"),
    ],
)
def test_what_is_no_scalar_is_named_by_every_promise(value, said, tmp_path):
    found = faults_of(value, tmp_path)
    assert len(found) == 4
    assert all(said in fault for fault in found)
