"""The export formats. registry.py lists them, and each has a module that writes it."""
