"""Pure arithmetic: arrays in, numbers or records out."""
