"""The views, one .sql file each, and the catalogue that finds and installs them."""
