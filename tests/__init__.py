"""Tests mirror the tree of `core` and `pages`."""
