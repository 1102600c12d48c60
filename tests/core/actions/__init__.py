"""Tests of core.actions."""
