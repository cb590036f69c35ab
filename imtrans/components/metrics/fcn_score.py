"""How well photographs made from label maps can be labelled again: the paper's FCN score."""

import torch
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.metric import ImageMetric
from imtrans.api.scorer import Scorer


@hookimpl
def register_metrics(register: Register) -> None:
    register("fcn_score", FCNScore)


class FCNScore(ImageMetric):
    """Mean IoU of the labels that a scorer sees in an output, against those it was made from.

    `scorer` is a file that `imtrans train-scorer` wrote. Beside it come the share of pixels and the
    mean share of classes that are labelled rightly, as in Isola et al. 2017, section 4.1. The mean
    is over the classes that occur in the sources. The ceiling is what the scorer reaches on the
    real photographs. Scores compare only where they are of the same scorer.
    """

    needs_source = True
    truth_in_source = True
    of_pictures = True

    def __init__(self, *, scorer: str) -> None:
        super().__init__()
        self._scorer = Scorer.load(scorer)
        self.made_with = self._scorer.sum

    def rows(self, output: Tensor, target: Tensor, source: Tensor) -> Tensor:  # type: ignore[override]
        """Shares of pixels by class, of outputs and then of targets: those labelled rightly, those
        labelled so, and those that are so."""
        scorer = self._scorer.to(output.device)
        given = scorer.classes_of(source)
        seen = [scorer.labels(pictures) for pictures in (output, target)]
        return torch.cat([self._shares(labels, given) for labels in seen], 1)

    def compared_with(self, source: Tensor) -> Tensor:
        # Recipes that read a label map in other ways, resized or not, give it other labels.
        return self._scorer.to(source.device).classes_of(source).int()

    def _shares(self, labels: Tensor, given: Tensor) -> Tensor:
        classes = torch.arange(self._scorer.classes, device=given.device)[:, None]
        so, is_so = (side.flatten(1)[:, None] == classes for side in (labels, given))
        return torch.cat([part.float().mean(2) for part in (so & is_so, so, is_so)], 1)

    def values(self, mean: Tensor) -> dict[str, Tensor]:
        return self._scores(mean.chunk(2, -1)[0])

    def ceiling(self, mean: Tensor) -> dict[str, Tensor]:
        return self._scores(mean.chunk(2, -1)[1])

    def _scores(self, shares: Tensor) -> dict[str, Tensor]:
        rightly, so, is_so = shares.chunk(3, -1)
        occurs = (is_so > 0).to(shares.dtype)
        count = occurs.sum(-1).clamp(min=1)
        of_class = (rightly / is_so.clamp(min=1e-12) * occurs).sum(-1) / count
        union = (so + is_so - rightly).clamp(min=1e-12)
        return {
            "fcn_score": (rightly / union * occurs).sum(-1) / count,
            "fcn_pixel_accuracy": rightly.sum(-1),
            "fcn_class_accuracy": of_class,
        }
