"""Graphs for the terminal, as SVG, Mermaid and dot: one model."""
