"""The job wing: everything that runs in a job process and may load torch."""
