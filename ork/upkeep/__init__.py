"""What keeps a store in order: checking and repairing it. Knows nothing of the command line."""
