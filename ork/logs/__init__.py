"""What the attempts of runs print: written, kept and read in pieces, here or for a whole team."""
