"""Backends that are reached over a network, and what is kept of them on this machine."""
