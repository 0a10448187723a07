"""Benchmarks of realdb against other tools: python -m benchmarks."""
