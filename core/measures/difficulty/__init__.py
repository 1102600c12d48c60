"""How hard a task is for a model."""
