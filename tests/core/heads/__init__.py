"""Tests of core/heads."""
