"""Pretrained encoders: loading, pieces, batches, heads, predictions. torch begins here."""
