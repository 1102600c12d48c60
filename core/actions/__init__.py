"""What a user can do, once: pages, commands, reports and tools call these."""
