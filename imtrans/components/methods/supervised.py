"""A generator alone, trained on the recipe's losses.

What Isola et al. 2017 compare their GAN with ("L1", table 1), and what they find the better one
where the output is a label map (section 6.2, table 6: photo to labels): there one answer is right,
and a discriminator teaches to invent.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.method import Batch, Method, Parts, Phase, Term


@hookimpl
def register_methods(register: Register) -> None:
    register("supervised", Supervised)


class Supervised(Method):
    """A generator and the recipe's losses between output and target, without a discriminator.

    For targets of which one is right: label maps, restored or measured images. Where several are
    plausible it learns their mean, which is blurred. A step takes about half the time of one of
    pix2pix.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"generator", "loss"})

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.generator, self.losses = parts.generator(), parts.losses()
        if not self.losses:
            raise ImtransError(
                "method 'supervised' has nothing to learn from: add a [[loss]], as in "
                'name = "l1" for images, or "cross_entropy" for label maps'
            )

    def forward(self, batch: Batch) -> Tensor:
        output: Tensor = self.generator(batch.source)
        return output

    def phases(self) -> Sequence[Phase]:
        return (Phase("generator", [self.generator], self.compare),)

    def compare(self, batch: Batch, output: Tensor) -> Iterator[Term]:
        for each in self.losses:
            yield Term(each.name, each.loss(output, batch.target), each.weight)

    def translators(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator}

    @classmethod
    def translator(cls, parts: Parts, name: str, **options: Any) -> nn.Module:
        return parts.generator()
