"""Panels of the page Launch."""
