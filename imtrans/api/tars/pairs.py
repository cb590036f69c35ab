"""Pairs of members of tar files: which belong together, kept in columns."""

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from imtrans.api.errors import ImtransError, quoted, some
from imtrans.api.layouts import LazyPairs, MissingPartners, Texts
from imtrans.api.pictures import Pair, PairsSummary, Picture, Store
from imtrans.api.tars.index import Form, TarIndex

BOTH = "pair"  # the field of a member that holds both sides, one beside the other
GAP = 2**16  # bytes between members of a pair that are rather read than asked for apart
MOST = 2**26  # bytes of a pair that are read at once


class Tar(NamedTuple):
    """A tar file: its path or address, and what reads it; None: it is on this machine."""

    path: str
    store: Store | None = None


class Tars(Protocol):
    """The tar files below a folder or an address, by their names relative to it."""

    def place(self, name: str) -> str:
        """The path or address of a file."""
        ...

    def beside(self) -> list[str]:
        """The tar files right below, if they can be listed."""
        ...

    def found(self, patterns: Sequence[str], probing: bool = False) -> list[str]:
        """Those that fit patterns, sorted. `probing`: what we may not read is not there."""
        ...

    def indexed(self, names: Sequence[str]) -> Iterator[tuple[Tar, TarIndex]]:
        """Of each what is in it. Raises ImtransError."""
        ...


class Places:
    """Of every member: the number of its tar file, its offset there, its size (bytes), its form."""

    def __init__(self) -> None:
        self.tar, self.form = array("I"), array("I")
        self.offset, self.size = array("Q"), array("Q")

    def __len__(self) -> int:
        return len(self.tar)


class PairedMembers:
    """Which members are pairs, of tar files that are added one by one."""

    def __init__(self, source: str, target: str) -> None:
        self.targets_only = not source
        self.fields = (target,) if not source else (source, target, BOTH)
        self.source, self.target = source, target
        self.expected = " or ".join(f"KEY.{field}.EXT" for field in self.fields)
        self.tars: list[Tar] = []
        self.forms: list[Form] = []
        self.places = Places()
        self.others: list[str] = []  # a few names of members that are no side of a pair
        # Pairs in the order in which they were found: their keys, and the rows of their members.
        self.keys, self.ends = bytearray(), array("Q")
        self.a, self.b = array("I"), array("I")
        # Members whose partner was not found yet: mostly none, as partners are in one tar file.
        self.single_a: dict[bytes, int] = {}
        self.single_b: dict[bytes, int] = {}

    def add(self, tar: Tar, index: TarIndex) -> None:
        """Add what is in a tar file. Raises ImtransError for members that are no plain files."""
        first, forms = len(self.places), len(self.forms)
        a, b = self._sides(tar, index, first)
        self.tars.append(tar)
        self.forms += index.known
        self.places.tar.extend(array("I", [len(self.tars) - 1]) * len(index))
        self.places.form.extend(number + forms for number in index.forms)
        self.places.offset.extend(index.offsets)
        self.places.size.extend(index.sizes)
        if self.targets_only:
            self._append(b, b, b)
            return
        self._append(a.keys() & b.keys() if a.keys() != b.keys() else b, a, b)
        for key in a.keys() ^ b.keys():
            self._match(key, a, b)

    def _sides(
        self, tar: Tar, index: TarIndex, first: int
    ) -> tuple[dict[bytes, int], dict[bytes, int]]:
        """The rows of sources and of targets of one tar file, by key."""
        a: dict[bytes, int] = {}
        b: dict[bytes, int] = {}
        sides = [self._dicts(form.field, a, b) for form in index.known]
        problems = [form.problem for form in index.known]
        row = first
        for key, form in index:
            if not sides[form] and len(self.others) < 3:
                self.others.append(index.known[form].name(key.decode("utf-8", "surrogateescape")))
            for side in sides[form]:
                if side.setdefault(key, row) != row:
                    names = (index.known[index.forms[at - first]] for at in (side[key], row))
                    self._refuse_twice(key, [(tar, form) for form in names])
            if sides[form] and problems[form]:
                raise ImtransError(f"{tar.path}: {problems[form]}")
            row += 1
        self.others += index.others[: 3 - len(self.others)]
        return a, b

    def _dicts(
        self, field: str, a: dict[bytes, int], b: dict[bytes, int]
    ) -> tuple[dict[bytes, int], ...]:
        if field not in self.fields:
            return ()
        if self.targets_only or field == self.target:
            return (b,)
        return (a,) if field == self.source else (a, b)

    def _append(self, keys, a: dict[bytes, int], b: dict[bytes, int]) -> None:  # type: ignore[no-untyped-def]
        """Add pairs of these keys, in their order."""
        ordered = sorted(keys)
        end, ends = len(self.keys), []
        for key in ordered:
            end += len(key)
            ends.append(end)
        self.keys += b"".join(ordered)
        self.ends.extend(ends)
        self.a.extend(map(a.__getitem__, ordered))
        self.b.extend(map(b.__getitem__, ordered))

    def _match(self, key: bytes, a: dict[bytes, int], b: dict[bytes, int]) -> None:
        """A member without partner in its tar file: find it among those of other tar files."""
        mine, own = (self.single_a, a) if key in a else (self.single_b, b)
        theirs = self.single_b if key in a else self.single_a
        if key in mine:
            self._refuse_twice(key, [self._member(mine[key]), self._member(own[key])])
        mine[key] = own[key]
        if key in theirs:
            rows = {key: self.single_a.pop(key)}, {key: self.single_b.pop(key)}
            self._append([key], *rows)

    def pairs(self) -> "ShardPairs":
        """The pairs of all that was added; ImtransError when a partner is missing."""
        singles = self.single_a | self.single_b
        if not self.ends and not singles:
            found = f"found {quoted(self.others)}" if self.others else "it holds no files"
            paths = some(tar.path for tar in self.tars)
            raise ImtransError(f"{paths}: no members {self.expected}: {found}")
        self._sort()
        if singles:
            self._refuse_singles(singles)
        return self._paired()

    def _sort(self) -> None:
        """Bring the pairs into the order of their names; ImtransError where one is there twice."""
        keys = self._keys()
        previous, sorted_already = next(keys, b""), True
        for key in keys:
            if key <= previous:
                sorted_already = False
                break
            previous = key
        if sorted_already:
            return  # as most are packed: nothing is moved
        names = list(self._keys())
        order = array("I", sorted(range(len(names)), key=names.__getitem__))
        for one, other in zip(order, order[1:], strict=False):
            if names[one] == names[other]:
                rows = sorted((self.b[one], self.b[other]))
                self._refuse_twice(names[one], [self._member(row) for row in rows])
        self.keys, self.ends = bytearray(), self.ends[:0]
        for at in order:
            self.keys += names[at]
            self.ends.append(len(self.keys))
        self.a = array("I", map(self.a.__getitem__, order))
        self.b = array("I", map(self.b.__getitem__, order))

    def _keys(self) -> Iterator[bytes]:
        keys, first = bytes(self.keys), 0
        for end in self.ends:
            yield keys[first:end]
            first = end

    def _refuse_singles(self, singles: dict[bytes, int]) -> None:
        for row, key in enumerate(self._keys()):
            if key in singles:
                side = self.a if key in self.single_a else self.b
                rows = sorted((side[row], singles[key]))
                self._refuse_twice(key, [self._member(row) for row in rows])
        names = [self._full_name(key, singles[key]) for key in sorted(singles)]
        count = f"{len(names)} members have" if len(names) > 1 else "1 member has"
        a_pair_is = f"a pair is {self.expected.replace(' or ', ' and ', 1)}"
        raise MissingPartners(
            f"{count} no partner: {some(names)}. {a_pair_is}",
            [(name, f"no partner: {a_pair_is}") for name in names],
            self._paired(),
        )

    def _paired(self) -> "ShardPairs":
        names = Texts.joined(bytes(self.keys), self.ends)
        a = array("I") if self.targets_only else self.a
        return ShardPairs(names, self.tars, self.forms, self.places, a, self.b)

    def _member(self, row: int) -> tuple[Tar, Form]:
        return self.tars[self.places.tar[row]], self.forms[self.places.form[row]]

    def _full_name(self, key: bytes, row: int) -> str:
        tar, form = self._member(row)
        return f"{tar.path}/{form.name(key.decode('utf-8', 'surrogateescape'))}"

    def _refuse_twice(self, key: bytes, members: Sequence[tuple[Tar, Form]]) -> None:
        name = key.decode("utf-8", "surrogateescape")
        (tar, form), (later, other) = members
        raise ImtransError(
            f"{later.path}: '{other.name(name)}' is one side of '{name}', and so is "
            f"{tar.path}/{form.name(name)}. remove one"
        )


class ShardPairs(LazyPairs):
    """Pairs of members; `a` and `b` are their rows among the members. One row: two halves."""

    def __init__(
        self,
        names: Texts,
        tars: list[Tar],
        forms: list[Form],
        places: Places,
        a: "array[int]",
        b: "array[int]",
    ) -> None:
        super().__init__(names)
        self.tars, self.forms, self.places, self.a, self.b = tars, forms, places, a, b

    def pair(self, index: int) -> Pair:
        name, target = self.names[index], self.b[index]
        if not self.a:
            return Pair(name, (), (self._picture(name, target),))
        source = self.a[index]
        store = self._at_once(source, target)
        halves: tuple[Literal["left", "right"] | None, ...]
        halves = ("left", "right") if source == target else (None, None)
        a, b = (
            (self._picture(name, row, half, store),)
            for row, half in zip((source, target), halves, strict=True)
        )
        return Pair(name, a, b)

    def _picture(
        self,
        name: str,
        row: int,
        half: Literal["left", "right"] | None = None,
        store: Store | None = None,
    ) -> Picture:
        places, tar = self.places, self.tars[self.places.tar[row]]
        member = self.forms[places.form[row]].name(name)
        offset, size = places.offset[row], places.size[row]
        return Picture(tar.path, half, member, offset, size, None, store or tar.store)

    def _at_once(self, source: int, target: int) -> "Store | None":
        """What reads both members with one request, where they are elsewhere and neighbours."""
        places = self.places
        store = self.tars[places.tar[source]].store
        if store is None or places.tar[source] != places.tar[target]:
            return None
        first, last = sorted((source, target), key=places.offset.__getitem__)
        start, middle = places.offset[first], places.offset[first] + places.size[first]
        end = places.offset[last] + places.size[last]
        near = places.offset[last] - middle <= GAP and end - start <= MOST
        return PairStore(store, start, end) if near or source == target else None

    def summary(self) -> PairsSummary:
        places = self.places
        digest = hashlib.sha256(self.names.digest())
        for column in (places.tar, places.offset, places.size, places.form, self.a, self.b):
            digest.update(column.tobytes())
        digest.update(repr([tuple(form) for form in self.forms]).encode("utf-8", "surrogatepass"))
        return PairsSummary(
            [Picture(tar.path, store=tar.store) for tar in self.tars], digest.digest()
        )


@dataclass(slots=True)
class PairStore:
    """Reads the members of a pair with one request: the bytes are kept until both are taken."""

    store: Store
    start: int
    end: int
    held: bytes | None = None

    @property
    def version(self) -> str:
        return self.store.version

    def read(self, offset: int, size: int) -> bytes:
        held = self.held
        if held is None:
            held = self.held = self.store.read(self.start, self.end - self.start)
        else:
            self.held = None
        return held[offset - self.start : offset - self.start + size]
