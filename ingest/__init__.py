"""Files in, tables out: where the data comes from, and how each kind of file is read."""
