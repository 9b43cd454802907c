"""Places where bytes live: two tables, objects and refs. Knows nothing of what the bytes mean."""
