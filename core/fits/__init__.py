"""Long fits in processes of their own: asked for, watched, read, and never computed twice for the same cells."""
