"""The DuckDB index over run folders and committed results."""
