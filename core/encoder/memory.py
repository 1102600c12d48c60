"""How much goes through the model at once."""

from __future__ import annotations

TRAINING_TOKENS = 8192
"""Tokens with padding that go through the model at once in training, unless a job says otherwise."""
