"""Figures, read through `fig.data`."""
