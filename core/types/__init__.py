"""One module per task type, each ending in one record; `table.py` names them all. Loads no torch."""
