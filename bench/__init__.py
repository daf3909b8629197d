"""Measurements, each with the direct call beside it: `make bench`, or `make bench ARGS=--quick`."""
