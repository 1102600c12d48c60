"""One question, one function, one SQL statement, one DataFrame."""
