"""How far a client's model can be trusted: labelled batches and the model's probabilities, joined and judged."""
