"""DataFrame to plotly Figure, one chart family per file."""
