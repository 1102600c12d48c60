"""Tests of core/measures/difficulty."""
