"""Examples of a task from the sample tasks, a mirror or the hub, read and checked; no torch."""
