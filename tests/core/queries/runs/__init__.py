"""Tests of core/queries/runs."""
