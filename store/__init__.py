"""The store on disk: builds, files, and stored predictions."""
