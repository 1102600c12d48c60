"""Tests of core/measures/transferability."""
