"""Panels of the page Tasks."""
