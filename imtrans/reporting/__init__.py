"""A run as one HTML page that needs nothing beside it: curves, pictures, recipe, data, sessions."""
