"""Tests of core/measures/metrics."""
