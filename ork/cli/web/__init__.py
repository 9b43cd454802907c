"""The page of `ork up`: what the commands show, for a browser. Imported by nothing else."""
