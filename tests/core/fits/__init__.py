"""Tests of core/fits."""
