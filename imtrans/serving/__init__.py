"""Runs behind a page and an HTTP API: `imtrans serve`."""
