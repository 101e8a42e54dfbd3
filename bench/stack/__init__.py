"""The roles on real engines, beside what the engines' own clients can do with them."""
