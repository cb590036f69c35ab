"""The translators of a run to a hub, with their recipe, their sums and a card."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans.runs.card import card, facts_of
from imtrans.runs.card.front_matter import license_id
from imtrans.runs.card.text import is_as_written
from imtrans.runs.hub.address import SCHEME, check_repository
from imtrans.runs.hub.asking import TOKEN, asking, client, library
from imtrans.runs.sharing import write_shareable

CARD = "README.md"
LARGEST_CARD = 1_000_000  # bytes of a card that is looked at


@dataclass(frozen=True)
class Pushed:
    url: str  # of the repository, for a browser
    files: tuple[str, ...]
    kept_card: bool  # the repository has one that a person has edited


def push(
    run: str | Path,
    repository: str,
    *,
    best: bool = False,
    private: bool | None = None,
    message: str | None = None,
    license: str | None = None,
    overwrite_card: bool = False,
) -> Pushed:
    """Upload the translators of a run or a checkpoint to OWNER/NAME, which is made if there is
    none; `private` is for one that is made. A card that somebody has edited there is kept unless
    `overwrite_card`. Raises ImtransError.
    """
    repository = check_repository(repository)
    license_id(license)
    hub = library()
    facts = facts_of(run, best=best)
    about = f"{SCHEME}{repository}"
    with tempfile.TemporaryDirectory(prefix="imtrans-") as made:
        folder = Path(made) / "files"
        folder.mkdir()
        files = write_shareable(facts.checkpoint, folder)
        text = card(facts, license=license, repository=repository)
        with asking(about):
            if hub.get_token() is None:
                raise ImtransError(f"{about}: a token with the right to write is needed. {TOKEN}")
            api = client(hub)
            url = str(api.create_repo(repository, private=private, exist_ok=True))
            kept = not overwrite_card and _is_edited(api, repository, Path(made) / "hub")
            if not kept:
                (folder / CARD).write_text(text, encoding="utf-8", newline="\n")
                files.append(folder / CARD)
            said = message or f"imtrans: {facts.name} at step {facts.header.step}"
            adding = [hub.CommitOperationAdd(file.name, str(file)) for file in files]
            api.create_commit(repository, adding, commit_message=said)
    return Pushed(url, tuple(file.name for file in files), kept)


def _is_edited(api: Any, repository: str, cache: Path) -> bool:
    """Whether a repository has a card that is not as it was written here."""
    infos = api.get_paths_info(repository, [CARD])
    if not infos:
        return False
    if infos[0].size > LARGEST_CARD:
        return True
    # Not into the usual cache: there it would be beside the files of a checkpoint.
    found = api.hf_hub_download(repository, CARD, cache_dir=cache)
    return not is_as_written(Path(found).read_text(encoding="utf-8", errors="replace"))
