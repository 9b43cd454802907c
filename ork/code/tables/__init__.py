"""What files of a project that are no code say of it. They are read as data."""
