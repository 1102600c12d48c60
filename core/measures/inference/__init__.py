"""Intervals, tests, mixed models: what may be concluded from scores."""
