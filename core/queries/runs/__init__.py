"""Questions about runs: which there are, how one went, how long one takes."""
