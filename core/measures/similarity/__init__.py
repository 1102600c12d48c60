"""How alike two samples of text are."""
