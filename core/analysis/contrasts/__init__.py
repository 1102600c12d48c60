"""Contrasts inside a data set: what tells difficulty and similarity apart from all else that tasks differ in."""
