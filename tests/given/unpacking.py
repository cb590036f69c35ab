"""Unpack archives where anything that is written elsewhere is noticed."""

from imtrans.data.fetching.members import Budget

PLENTY = Budget(10**6, 10**9)


class Silent:
    def say(self, line):
        pass

    def begin(self, doing, total, done=0):
        pass

    def reach(self, done):
        pass


class Unpacking:
    """Unpacks bytes, and returns what was left out. Fails if anything is written elsewhere."""

    def __init__(self, unpack, tmp_path):
        self.unpack, self.tmp_path = unpack, tmp_path
        self.folder = tmp_path / "in" / "here"
        self.folder.mkdir(parents=True)

    def __call__(self, archive, budget=PLENTY, top="facades"):
        path, folder = self.tmp_path / "archive", self.folder
        path.write_bytes(archive)
        try:
            return self.unpack(path, folder, top, Budget(budget.files, budget.bytes), Silent())
        finally:
            outside = [p for p in self.tmp_path.rglob("*") if folder not in p.parents]
            assert sorted(outside) == [path, folder.parent, folder]
            assert not any(p.is_symlink() or p.stat().st_mode & 0o7000 for p in folder.rglob("*"))
