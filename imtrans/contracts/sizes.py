"""The smallest images that networks are given."""

# Whatever the stride: a network reflects at its own borders, and normalises over what it sees.
SMALLEST = 32  # px


def smallest_side(stride: int, least: int = SMALLEST) -> int:
    """The smallest multiple of a stride from `least` px on."""
    return -(-least // stride) * stride
