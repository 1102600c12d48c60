"""Submit, list, cancel, retry: jobs as detached processes and files."""
