"""`python -m core …`: everything the pages can start or export."""
