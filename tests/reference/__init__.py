"""Plain implementations that the fast ones of the program are held to, with tests of their own."""
