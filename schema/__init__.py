"""The tables: one commented .sql file each, and the store that holds them."""
