"""Pretrained encoders: loading, pieces, batches, predictions, scores."""
