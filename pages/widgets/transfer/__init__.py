"""Panels of the page Transfer."""
