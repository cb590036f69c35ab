"""Metrics as tests build them: with the options that some of them need."""

import pytest

from imtrans.api.errors import ImtransError
from imtrans.evaluation.contract import values_of
from imtrans.recipe.catalog import catalog

GREYS = [[0, 0, 0], [128, 128, 128], [255, 255, 255]]
OPTIONS = {"mean_iou": {"palette": GREYS}}


def built_metric(name):
    """A metric of the catalog. The test is skipped where a library of an extra is missing."""
    component = catalog().metrics[name]
    if getattr(component.made, "needs_source", False):
        pytest.skip("it compares outputs with their sources: tests/evaluation has its tests")
    try:
        return component.build(**OPTIONS.get(name, {}))
    except ImtransError as error:
        if "pip install" not in str(error):
            raise
        pytest.skip(str(error))


def measured(name, metric, *pairs):
    """The metric's own value of batches (output, target)."""
    metric.reset()
    for output, target in pairs:
        metric.update(output, target)
    return values_of(name, metric)[name]
