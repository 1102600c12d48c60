"""One fine-tuning stage: its data, objectives, loop, checkpoints, and the small trainings that difficulty needs."""
