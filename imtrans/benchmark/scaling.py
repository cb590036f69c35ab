"""What training on several devices costs: the averaging of gradients, by links of every speed.

The ring all-reduce, which NCCL and gloo use for what is large, sends 2 (n - 1) / n of all bytes
over each link: Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of
workstations", J. Parallel Distrib. Comput. 69, 2009. Nothing else is done meanwhile: gradients are
averaged between the backward pass and the update.
"""

from dataclasses import dataclass

# GB/s in one direction as their makers give them, of the slowest link between two neighbours of the
# ring; what is left of it in practice is measured, or a share of that.
LINKS = {
    "NVLink 4": 450.0,
    "PCIe 4.0 x16": 32.0,
    "InfiniBand 400 Gb/s": 50.0,
    "Ethernet 100 Gb/s": 12.5,
    "Ethernet 10 Gb/s": 1.25,
}
REACHED = 0.7  # of a link's rate
LATENCY = 10e-6  # seconds of each of the 2 (n - 1) sends that follow each other
RANKS = (2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Scaling:
    """Steps of `step` seconds on each of several ranks, whose gradients take `bytes`."""

    bytes: int
    step: float

    def averaging(self, ranks: int, rate: float) -> float:
        """Seconds of one mean over so many ranks, at a link's rate (GB/s)."""
        sent = 2 * (ranks - 1) / ranks * self.bytes
        return sent / (rate * 1e9 * REACHED) + 2 * (ranks - 1) * LATENCY

    def efficiency(self, ranks: int, rate: float) -> float:
        """The share of the time that trains: so many ranks are as fast as ranks * efficiency."""
        return self.step / (self.step + self.averaging(ranks, rate))

    def pays_up_to(self, rate: float, least: float = 0.5) -> int:
        """The most ranks of RANKS with at least this efficiency; 1 where two have less."""
        return max((n for n in RANKS if self.efficiency(n, rate) >= least), default=1)
