"""What secure aggregation does to the owners' vectors, without the secrecy: words, their sum, decimal texts."""

from collections.abc import Sequence
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

from quintet.aggregation.decoding import Decoded, decoded
from quintet.aggregation.schema import features_of
from quintet.aggregation.secagg.fixed_point import decode, encode
from quintet.aggregation.vectors import vector

Schema = Sequence[dict[str, Any]]


def summed(vectors: Sequence[Sequence[Decimal]]) -> list[str]:
    words = [encode(list(one), decimals=9, owners=len(vectors)) for one in vectors]
    return decode(reduce(add, words), 9)


def aggregated(schema: Schema, owners: Sequence[dict[str, Any]]) -> dict[str, Decoded]:
    """Each owner's columns through their whole way; the decoded features by name."""
    features = features_of(schema)
    output = summed([vector(features, columns, owners=len(owners)) for columns in owners])
    return {feature["featureName"]: feature for feature in decoded(features, output)}
