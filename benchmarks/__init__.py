"""What realdb is measured on, and against whom: python -m benchmarks."""
