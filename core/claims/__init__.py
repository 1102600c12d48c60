"""Published claims, and what the store says of each."""
