"""A board on which a source is drawn in a browser, and the colours that it offers."""
