"""The tables: one commented .sql file each."""
