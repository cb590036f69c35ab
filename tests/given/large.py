"""Translates a large TIFF in a process of its own, and says what that took."""

import resource
import sys
from pathlib import Path

import torch
from torch import nn

from imtrans.data.encoding import Direct
from imtrans.recipe.schema import DataTable
from imtrans.translation.tiled import TiledTranslator
from imtrans.translation.translator import Translator


def peak():
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(source, place, tile):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.InstanceNorm2d(4), nn.Conv2d(4, 3, 1))
    network.stride = 4
    translator = Translator(network, Direct(DataTable(root="x")), device=torch.device("cpu"))
    tiled = TiledTranslator(translator, int(tile))
    network(torch.zeros(1, 3, 64, 64))
    before = peak()
    tiled.translate_file(Path(source), Path(place))
    print(f"{peak() - before:.0f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
