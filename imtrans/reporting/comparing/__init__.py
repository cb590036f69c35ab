"""Several runs as one HTML page: what differs, how certain that is, pictures, curves, recipes."""
