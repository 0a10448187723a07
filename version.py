"""The version of realdb."""

__version__ = "0.2.0"
