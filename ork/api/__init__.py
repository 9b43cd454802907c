"""The Python interface: its functions, and by name what they return; `ork` offers all of it."""
