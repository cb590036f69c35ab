"""Where recipes and sweeps are found by their names: in the working folder, then in the package."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from imtrans.api.errors import ImtransError, did_you_mean, quoted


@dataclass(frozen=True)
class Shelf:
    """Files of one kind, `folder/NAME.toml` here and in the package."""

    kind: str
    folder: Path

    def find(self, source: str | Path) -> Path:
        """The file: a path, `./FOLDER/NAME.toml`, or a packaged one, in this order. Raises
        ImtransError."""
        text = str(source)
        if text.endswith(".toml") or "/" in text or "\\" in text:
            path = Path(source)
            if path.is_file():
                return path
            known = path.stem in self.packaged()
            hint = f"; the packaged {self.kind} is called '{path.stem}'" if known else ""
            raise ImtransError(f"{path}: no such {self.kind} file{hint}")
        local = self.folder / f"{text}.toml"
        if local.is_file():
            return local
        packaged = self.packaged()
        if text in packaged:
            return packaged[text]
        near = did_you_mean(text, packaged) or f"; packaged are {quoted(packaged)}"
        if Path(f"{text}.toml").is_file():
            near = f"; did you mean the file '{text}.toml'?"
        raise ImtransError(f"no {self.kind} '{text}', neither as {local} nor packaged{near}")

    def packaged(self) -> dict[str, Path]:
        """Those that come with imtrans, by name."""
        # In a wheel they are in the package; in a checkout beside it.
        package = Path(str(resources.files("imtrans")))
        folders = [place / self.folder for place in (package, package.parent)]
        folder = next((f for f in folders if f.is_dir()), folders[0])
        return {path.stem: path for path in sorted(folder.glob("*.toml"))}

    def available(self) -> dict[str, Path]:
        """Every one that a bare name finds: those here, then the packaged ones."""
        local = {path.stem: path for path in sorted(self.folder.glob("*.toml"))}
        return local | {name: path for name, path in self.packaged().items() if name not in local}


RECIPES = Shelf("recipe", Path("recipes"))
SWEEPS = Shelf("sweep", Path("recipes/sweeps"))
