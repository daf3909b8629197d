"""The attacks, from inside: a program of its own that imports nothing but the standard library."""
