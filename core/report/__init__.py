"""Files to hand on: one self-contained HTML report, and a static gallery that opens from disk."""
