"""From a pair of pictures to a training sample: resize, then one crop and one flip for both halves.

Isola et al. 2017, section 6.2 ("random jitter"): both halves are resized to a square, 286 px in the
paper, whatever their aspect ratio; a random 256 px crop is cut out and mirrored half the time.
"""

from PIL import Image
from torch import Tensor

from imtrans.data import images
from imtrans.data.colour import colours
from imtrans.data.draws import sample_draw
from imtrans.data.pairs import Pair, Picture
from imtrans.errors import ImtransError
from imtrans.schema import DataTable

Sample = tuple[Tensor, Tensor]


class Sampler:
    """Reads pairs as (source, target), uint8 (C, crop_size, crop_size) each."""

    def __init__(self, data: DataTable, seed: int) -> None:
        self.data = data
        self.seed = seed
        self.channels = colours(data).stored_channels

    def training(self, pair: Pair, epoch: int, index: int) -> Sample:
        """The pair as this epoch sees it, jittered."""
        crop, flip = self.data.crop_size, self.data.flip
        load = self.data.load_size or crop
        source, target = self._read(pair, load)
        draw = sample_draw(self.seed, epoch, index)
        left, top = draw.randint(0, load - crop), draw.randint(0, load - crop)
        mirrored = flip and draw.random() < 0.5

        def cut(pixels: Tensor) -> Tensor:
            pixels = pixels[:, top : top + crop, left : left + crop]
            return (pixels.flip(-1) if mirrored else pixels).contiguous()

        return cut(source), cut(target)

    def plain(self, pair: Pair) -> Sample:
        """The whole pair at crop_size, without jitter."""
        return self._read(pair, self.data.crop_size)

    def _read(self, pair: Pair, size: int) -> Sample:
        source_channels, target_channels = self.channels
        whole = images.read(pair.source.path, source_channels)
        source = _pixels(whole, pair.source, size)
        if source_channels == target_channels:
            if pair.source == pair.target:
                return source, source
            if pair.source.path == pair.target.path:  # two halves of one file: decoded once
                return source, _pixels(whole, pair.target, size)
        whole = images.read(pair.target.path, target_channels)
        return source, _pixels(whole, pair.target, size)


def _pixels(whole: Image.Image, picture: Picture, size: int) -> Tensor:
    half = _half(whole, picture)
    return images.to_tensor(half.resize((size, size), Image.Resampling.BICUBIC))


def _half(image: Image.Image, picture: Picture) -> Image.Image:
    """The picture's part of its file; of an odd width the middle column belongs to neither half."""
    width, height = image.size
    if picture.half is None:
        return image
    if width < 2:
        raise ImtransError(f"{picture.path}: {width} px wide, too narrow to hold two halves")
    middle = width // 2
    box = (0, 0, middle, height) if picture.half == "left" else (width - middle, 0, width, height)
    return image.crop(box)
