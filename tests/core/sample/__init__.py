"""Tests of the bundled sample tasks."""
