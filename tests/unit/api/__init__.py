"""The API types, and the files generated from them."""
