"""A trained translator as a folder with a page that any static server can serve."""
