"""Tests of core/measures/similarity."""
