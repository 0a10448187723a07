"""Numerical methods that SQL cannot say simply: vote aggregation and agreement."""
