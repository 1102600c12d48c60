"""Tests of core.queries."""
