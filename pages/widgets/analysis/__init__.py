"""Panels of the page Analysis."""
