"""From the states of an encoder to logits: the record of a loaded encoder, its micro-batches, poolings and heads."""
