"""Histories written as git repositories, and read from them."""
