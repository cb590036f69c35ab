"""The pattern of one side's paths, as the layout `folders` takes it."""

from collections.abc import Sequence

from imtrans.api.patterns import NAME
from imtrans.data.families.readings import Label, NamedImage


def pattern_of(images: Sequence[NamedImage], label: Label) -> str:
    """The narrowest pattern that fits all these images of a side."""
    if label.folder:
        at = [image.folders.index(label.folder) for image in images]
        left = _folders([image.folders[:n] for image, n in zip(images, at, strict=True)])
        right = _folders([image.folders[n + 1 :] for image, n in zip(images, at, strict=True)])
        folders = [*left, label.folder, *right]
    else:
        folders = _folders([image.folders for image in images])
    suffixes = {image.suffix for image in images}
    suffix = suffixes.pop() if len(suffixes) == 1 else ".*"
    whole = label.start or label.end
    if "*" in folders and all(image.stem == whole for image in images):
        # The file's name is the same everywhere: the folder tells the pairs apart.
        folders[len(folders) - 1 - folders[::-1].index("*")] = NAME
        return "/".join([*folders, whole + suffix])
    return "/".join([*folders, f"{label.start}{NAME}{label.end}{suffix}"])


def _folders(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """The folders that all have in common; `*` for one that differs, `**` for any number."""
    shortest = min(map(len, paths))
    names = [{path[at] for path in paths} for at in range(shortest)]
    if shortest == max(map(len, paths)):
        return [found.pop() if len(found) == 1 else "*" for found in names]
    common: list[str] = []
    for found in names:
        if len(found) > 1:
            break
        common += found
    return [*common, "**"]
