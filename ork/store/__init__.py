"""Objects, and names for them, of one project. Knows no file outside `.ork`, and no YAML."""
