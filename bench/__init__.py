"""Measurements of speed: ratios of things run in turns, medians, never in a test."""
