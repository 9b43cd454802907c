"""YAML text in, values with places out. Knows nothing of workflows."""
