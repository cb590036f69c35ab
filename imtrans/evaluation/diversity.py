"""How far apart several outputs for one source are: a column more, where several are drawn."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Metric
from imtrans.api.metric import ImageMetric
from imtrans.recipe.catalog import Catalog

DIVERSITY = "diversity"
SAMPLES = "samples"  # what metrics.json has where it was measured: how many outputs of each source


class Diversity(ImageMetric):
    """The mean absolute difference in the range [-1, 1] of two outputs for one source, as the
    metric l1 has it of an output and its target: the mean over all pairs of `samples` outputs.

    0: all are the same. More of it is neither better nor worse: noise is diverse, too.
    """

    higher_is_better: bool = None  # type: ignore[assignment]  # neither is
    needs_target = False
    needs_samples = True  # `rows(output, target, samples)`

    def __init__(self, samples: int) -> None:
        super().__init__()
        if not isinstance(samples, int) or samples < 2:
            raise ValueError(f"{samples} outputs have no diversity")
        self.samples = samples

    def rows(self, output: Tensor, target: Tensor, *samples: Tensor) -> Tensor:
        """Of outputs (N, K, C, H, W). In order, value by value, each gap between two neighbours is
        part of the differences of all pairs that it separates."""
        gaps = samples[0].sort(dim=1).values.diff(dim=1).flatten(2).mean(2)  # (N, K - 1)
        below = torch.arange(1, self.samples, device=gaps.device)
        pairs = below * (self.samples - below)
        return (gaps * pairs).sum(1) / (self.samples * (self.samples - 1) / 2)


def with_diversity(
    metrics: Mapping[str, Metric], options: Mapping[str, dict[str, Any]], samples: int
) -> tuple[dict[str, Metric], dict[str, dict[str, Any]]]:
    """Metrics and their options, and it with them. Raises ImtransError for a single sample,
    and where another metric has its name."""
    if samples < 2:
        raise ImtransError("samples: diversity is that of two outputs or more")
    if DIVERSITY in metrics:
        raise ImtransError(
            f"a plugin's metric is called '{DIVERSITY}', as what --samples measures; leave one out"
        )
    both: dict[str, Metric] = {**metrics, DIVERSITY: Diversity(samples)}
    return both, {**options, DIVERSITY: {"samples": samples}}


def metric_of(
    name: str, options: Mapping[str, Any], facts: Mapping[str, Any], catalog: Catalog
) -> Metric | None:
    """The metric that has measured a column of an evaluation with these facts; None where no
    plugin here has it. Raises ImtransError where it refuses its options."""
    if name == DIVERSITY and SAMPLES in facts:
        return Diversity(**options)
    if name not in catalog.metrics:
        return None
    metric: Metric = catalog.metrics[name].build(**options)
    return metric
