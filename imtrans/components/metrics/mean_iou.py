"""How well the classes of label maps agree.

Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015,
section 5.
"""

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.metric import ImageMetric


@hookimpl
def register_metrics(register: Register) -> None:
    register("mean_iou", MeanIoU)


class MeanIoU(ImageMetric):
    """How well the classes of label maps agree: `mean_iou`, `pixel_accuracy`, `class_accuracy`.

    Without a palette each channel is a class, as in recipes with `data.target.classes`. With a
    `palette` of RGB colours (0 to 255), as [[0, 0, 0], [255, 0, 0]], every pixel belongs to the
    nearest colour, in targets too: JPEG blurs theirs.

    Pixels are counted over all images, then each class has its share: of what output or target say
    is of the class (IoU), and of what the target says (class accuracy). Both are means over the
    classes that occur in the targets (Long et al. 2015); one that only outputs have costs the
    classes in whose place it is. Every image counts the same, whatever its size.
    """

    def __init__(self, *, palette: list[tuple[int, int, int]] | None = None) -> None:
        super().__init__()
        if palette is not None and not _is_palette(palette):
            raise ImtransError(
                f"mean_iou: palette = {[*map(list, palette)]}; it has to be two colours or more, "
                "each once and of three numbers from 0 to 255"
            )
        self.palette = palette
        self.of_pictures = palette is not None
        self._one_hot = False  # whether targets were found to be

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        truth, said = self._classes_of_targets(target), self._classes(output)
        count = len(self.palette) if self.palette else target.shape[1]
        right = torch.where(truth == said, truth, count)  # one class more: those that are wrong
        each = [
            _counted(right, count + 1)[:, :count],
            _counted(said, count),
            _counted(truth, count),
        ]
        return torch.cat(each, 1) / truth[0].numel()

    def values(self, mean: Tensor) -> dict[str, Tensor]:
        right, said, truth = mean.chunk(3, -1)
        occurs = truth > 0
        union = (said + truth - right).where(occurs, 1)
        count = occurs.sum(-1)
        return {
            "mean_iou": (right / union).sum(-1) / count,
            "pixel_accuracy": right.sum(-1),
            "class_accuracy": (right / truth.where(occurs, 1)).sum(-1) / count,
        }

    def compared_with(self, target: Tensor) -> Tensor:
        """The classes (N, H, W), int32: colours and channels of the same classes compare."""
        return self._classes_of_targets(target).int()

    def _classes_of_targets(self, target: Tensor) -> Tensor:
        if not self.palette and not self._one_hot:
            self._one_hot = _is_one_hot(target)
            if not self._one_hot:
                raise ImtransError(
                    f"mean_iou: the {target.shape[1]} channels of the targets are no classes; name "
                    "the colours of the classes, as in metrics = [{ name = 'mean_iou', palette = "
                    "[[0, 0, 0], [255, 0, 0]] }], or set data.target.classes"
                )
        return self._classes(target)

    def _classes(self, images: Tensor) -> Tensor:
        """(N, H, W) of images (N, C, H, W)."""
        if not self.palette:
            return images.argmax(1)
        levels = ((images.clamp(-1, 1) + 1) * 127.5).round().movedim(1, -1)
        colours = torch.tensor(self.palette, dtype=levels.dtype, device=levels.device)
        # Without matrix products, which round: equally near are equal, and the first is taken.
        exact = "donot_use_mm_for_euclid_dist"
        apart = torch.cdist(levels.flatten(1, 2), colours[None], compute_mode=exact)
        return apart.argmin(-1).view(levels.shape[:-1])


def _is_palette(colours: list[tuple[int, int, int]]) -> bool:
    levels = [level for colour in colours for level in colour]
    return (
        len({*map(tuple, colours)}) == len(colours) >= 2 and 0 <= min(levels) <= max(levels) <= 255
    )


def _is_one_hot(target: Tensor) -> bool:
    """Whether each pixel (N, C, H, W) is 1 in one channel and -1 in the others."""
    ones = (target == 1).sum(1) == 1
    others = (target == -1).sum(1) == target.shape[1] - 1
    return target.shape[1] > 1 and bool((ones & others).all())


def _counted(classes: Tensor, count: int) -> Tensor:
    """How many pixels of each image are of each class: (N, count) of (N, H, W)."""
    flat = classes.flatten(1)
    counts = torch.zeros(len(flat), count, dtype=torch.long, device=flat.device)
    return counts.scatter_add_(1, flat, torch.ones_like(flat))
