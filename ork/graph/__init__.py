"""Names and edges: order, cycles, what is ready, where to draw it. Knows nothing of ork."""
