"""The folder on disk: builds, files, and stored predictions."""
