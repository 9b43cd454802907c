"""Lines, colours, widths and quoted names."""
