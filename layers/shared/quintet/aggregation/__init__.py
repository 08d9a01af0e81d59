"""Aggregation: many owners, one sum, and no one's data.

`orchestration` counts who has reported, `driving` takes a job to its end, `sessions` holds the rounds of secure
aggregation and `secagg` their mathematics, `decoding` reads the sum, `delivery` tells it.
"""
