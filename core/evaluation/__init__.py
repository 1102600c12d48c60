"""Zero-shot evaluation, one language at a time."""
