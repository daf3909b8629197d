"""Measurements, each with what it is compared with beside it: `make bench`, or `make bench ARGS=--quick`."""
