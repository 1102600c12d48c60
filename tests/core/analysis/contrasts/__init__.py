"""Tests of `core.analysis.contrasts`."""
