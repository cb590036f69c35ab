"""A picture of any size, tile by tile."""
