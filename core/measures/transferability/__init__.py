"""Scores that say before training how well an intermediate suits a target."""
