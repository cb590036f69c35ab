"""What a server takes at most: of one file, of one request, of all that wait, of its disk."""

from dataclasses import dataclass

MB = 10**6


@dataclass(frozen=True)
class Limits:
    """Everything that comes from a client is bounded by these."""

    file_bytes: int = 64 * MB  # of one image
    waiting: int = 32  # requests in the queue; more are refused
    images: int = 200  # of one batch
    connections: int = 256  # at once; a page holds one or two

    @property
    def upload_bytes(self) -> int:
        """Of one upload, which may bring several files."""
        return 8 * self.file_bytes

    @property
    def request_bytes(self) -> int:
        """Of a request in JSON. A drawing is sent in one, as base64 text."""
        return min(self.file_bytes, 16 * MB) * 4 // 3 + 2**16

    @property
    def stored_bytes(self) -> int:
        """Of the server's folder: uploads and results, until they are old."""
        return 4 * self.upload_bytes

    @property
    def megabytes(self) -> str:
        return f"{self.file_bytes / MB:g} MB"
