"""Slurm and Ray on this machine, for as long as something is tried: `python -m tools.engines`."""
