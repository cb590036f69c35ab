"""How large a page may be: its pictures become smaller until it is not larger."""

from collections.abc import Callable, Sequence

from imtrans.reporting.pictures import Encoded, Figure, fit

LIMIT = 9_500_000  # bytes of a page
PICTURES, FILM = 5_500_000, 3_000_000  # bytes, at first


def within_limit(
    render: Callable[[Encoded], bytes], figures: Sequence[Figure], moving: Sequence[Figure] = ()
) -> bytes:
    """The page that `render` makes once its pictures are encoded: `figures` exactly where they fit,
    those of a film (`moving`) always compressed."""
    still_bytes, film_bytes = (PICTURES, FILM) if moving else (PICTURES + FILM, 0)
    while True:
        still = fit(figures, still_bytes)
        film = fit(moving, film_bytes, lossless=False)
        page = render(still)
        if len(page) <= LIMIT or still_bytes < 10_000:
            return page
        share = max((LIMIT - len(page)) / max(still.bytes + film.bytes, 1) + 0.95, 0.1)
        still_bytes, film_bytes = int(still.bytes * share), int(film.bytes * share)
