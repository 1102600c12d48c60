"""Jobs on a Ray cluster: the process that hands them over as tasks of Ray, the task on its node, what it says."""
