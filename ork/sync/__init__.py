"""Histories on their way from one store to another: what goes, in which form, what is taken in."""
