"""The server's side of the protocol: what it takes in, and how the sum comes out without its ever seeing a vector."""

from quintet.aggregation.secagg.checks import check
from quintet.aggregation.secagg.unmasking import survivors_sum, unmasked

__all__ = ["check", "survivors_sum", "unmasked"]
