"""The export formats: registry.py has a line for each, and a module of its own writes each."""
