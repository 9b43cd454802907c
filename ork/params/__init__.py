"""The values of parameters, and of the arguments of a call."""
