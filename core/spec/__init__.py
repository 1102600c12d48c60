"""What a user asks for, as frozen records that cross processes and reach disk; ids are hashes of their canonical JSON.

A new field needs a default that means "as before"; a field whose default changes results needs a new id.
"""
