"""What Python source and notebooks execute, and where the modules that they import lie."""
