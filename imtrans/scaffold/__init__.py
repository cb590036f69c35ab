"""Writes packages for authors of plugins: `imtrans plugins new`."""
