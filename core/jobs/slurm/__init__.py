"""Jobs on a cluster with Slurm: job arrays that depend on each other, the batch script, what squeue says."""
