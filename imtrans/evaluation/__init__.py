"""How good outputs are: measured image by image, with intervals, and compared."""
