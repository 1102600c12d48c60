"""Tests of core/spec."""
