"""Tests of the recipes under tools/."""
