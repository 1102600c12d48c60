"""Tests of core/types."""
