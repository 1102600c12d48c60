"""Ray as a backend."""
