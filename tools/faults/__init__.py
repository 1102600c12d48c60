"""Faults made on purpose: `python -m tools.faults`, seeded, in minutes."""
