"""Addresses of data that is elsewhere: `s3://bucket/folder`, `gs://`, `https://`, as fsspec knows
them. What is no address is a path of this machine, `C:\\data` among them."""

import re

# Two characters at least: one is a drive of Windows.
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
USER = re.compile(r"(?<=://)[^/\s'\"]*@")
QUERY = re.compile(r"(?<=://)([^\s'\"?]*)\?[^\s'\"]*")


def is_address(text: str) -> bool:
    """Whether this is an address, and no path."""
    return ADDRESS.match(text) is not None


def protocol(address: str) -> str:
    """`s3` of `s3://bucket/folder`."""
    found = ADDRESS.match(address)
    if found is None:
        raise ValueError(f"'{address}' is no address")
    return found[1].lower()


def joined(address: str, name: str) -> str:
    """The address of what has this name below another."""
    return f"{address.rstrip('/')}/{name}"


def without_secrets(text: str) -> str:
    """The text, its addresses without user, password and query, where signatures are."""
    return QUERY.sub(r"\1", USER.sub("", text))


def holds_secrets(address: str) -> bool:
    """Whether an address has a user, a password or a query: a recipe keeps what it names, and so do
    its runs and checkpoints."""
    return is_address(address) and without_secrets(address) != address
