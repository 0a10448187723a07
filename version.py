"""The version of realdb."""

__version__ = "0.1.0"
