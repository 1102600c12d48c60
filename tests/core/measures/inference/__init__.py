"""Tests of core/measures/inference."""
