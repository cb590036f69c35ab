"""Words in the names of folders and files: splits, and what is usually the source or the target."""

import re

TRAIN = ("train", "training")
VALIDATION = ("val", "valid", "validation", "dev", "test", "testing", "eval")
SPLITS = (*TRAIN, *VALIDATION)
SPLIT = re.compile(rf"(?:^|(?<=[_\-. ]))(?:{'|'.join(SPLITS)})(?:$|(?=[_\-. ]))", re.IGNORECASE)

LABELS = frozenset(
    "annot annotation annotations contour contours drawing drawings edge edges label labelid "
    "labels lineart mask masks outline plan seg segm segmentation segs semantic semantics "
    "sketch sketches".split()
)
SOURCES = LABELS | frozenset(
    "a aerial before bf blur blurred blurry brightfield bw cond condition conditions dark day "
    "depth fog foggy gray grey haze hazy he in infrared input inputs instance instances ir "
    "low lr mri noise noisy pencil phase rain rainy raw sat satellite small source sources "
    "src summer t1 t1w thermal unstained x".split()
)
TARGETS = frozenset(
    "after b bright clean clear ct dapi fluo fluorescence gfp groundtruth gt "
    "high hoechst hr ihc image images img imgs large map maps night norain out output outputs "
    "photo photograph photographs photos pic pics picture pictures rgb sharp stained t2 t2w "
    "target targets tgt truth winter y".split()
)
WORD = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}")  # also of camelCase; the A of A01 is none


def role(text: str) -> int:
    """How much a name sounds like a source (above 0) or a target (below 0); 0: neither."""
    return _role(_words(text))


def roles(one: str, other: str) -> tuple[int, int]:
    """The roles of two names, by the words that only one of them has."""
    words = _words(one), _words(other)
    return _role(words[0] - words[1]), _role(words[1] - words[0])


def _role(words: set[str]) -> int:
    # Labels decide: gtFine_labelIds is a map of labels, though gt is usual for targets.
    return 2 * bool(words & LABELS) + bool(words & SOURCES) - bool(words & TARGETS)


def _words(text: str) -> set[str]:
    return {word.lower() for word in [*WORD.findall(text), *re.split(r"[\W_]+", text)]}
