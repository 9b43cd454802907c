"""The values of parameters."""
