"""Servers that stand in for others, and cost as little as they can."""
