"""Tests of core/chain."""
