"""Numerical methods that are not simple in SQL: vote aggregation and agreement."""
