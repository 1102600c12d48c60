"""Thirds of a training set, as its data: by difficulty, or by similarity to a target's text."""
