"""Recipes that make what the repository ships; nothing in the application imports them."""
