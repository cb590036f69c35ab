"""Reading options: the file that the code writes beside its weights, or a line of flags."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.host.foreign import reading

LARGEST = 1_000_000  # bytes; a file of options has 3,000
WEIGHTS = (".pth", ".pt", ".pkl", ".safetensors", ".onnx")
BEGIN = re.compile(r"^-+ Options -+\s*$", re.MULTILINE)
END = re.compile(r"^-+ End -+\s*$", re.MULTILINE)
ROW = re.compile(r"\s*(\w+): ?(.*?)(?:\s+\[default: .*\])?\s*")
FLAG = re.compile(r"(?:^|\s)--[A-Za-z]")

Given = tuple[str, str, str]  # a flag, its value, and where it is


def read_options(path: Path) -> tuple[Path, list[Given]]:
    """The file, and what it gives, in order; of a folder, its train_opt.txt. Raises ImtransError
    where there are no options."""
    path = path / "train_opt.txt" if path.is_dir() else path
    text = _text(path)
    given = list(_rows(text) if _is_printed(text) else _flags(path, text))
    if not given:
        raise ImtransError(
            f"{path}: no options in it. a train_opt.txt has lines such as 'batch_size: 1', a "
            "command has flags such as '--batch_size 1'"
        )
    return path, given


def _text(path: Path) -> str:
    if path.suffix.lower() in WEIGHTS:
        raise ImtransError(
            f"{path}: holds weights, which `imtrans import-weights` reads. give the train_opt.txt "
            "beside it"
        )
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise ImtransError(
            f"{path}: no such file. the published code writes it to checkpoints/NAME/train_opt.txt"
        ) from error
    if len(content) > LARGEST:
        raise ImtransError(f"{path}: larger than 1 MB: no file of options")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ImtransError(f"{path}: not a text file in UTF-8")
    return text


def _is_printed(text: str) -> bool:
    """Whether it is what the code prints, and no command."""
    return bool(BEGIN.search(text)) or not FLAG.search(text)


def _rows(text: str) -> Iterator[Given]:
    """The lines `name: value`; of a log, those between the lines that begin and end them."""
    begin, end = BEGIN.search(text), END.search(text)
    start = begin.end() if begin else 0
    first = text.count("\n", 0, start) + 1
    block = text[start : end.start() if end and end.start() > start else len(text)]
    for number, line in enumerate(block.split("\n"), start=first):
        if found := ROW.fullmatch(line):
            yield found[1], found[2], f"line {number}"


def _flags(path: Path, text: str) -> Iterator[Given]:
    """`--name value`, `--name=value` and `--name` of a command, whatever stands before them."""
    with reading(path, "not a line of flags"):
        words = shlex.split(text.replace("\\\r\n", " ").replace("\\\n", " "), comments=True)
    first = next(n for n, word in enumerate(words) if FLAG.match(word))
    flag, values = "", list[str]()
    for word in [*words[first:], "--end"]:
        if not FLAG.match(word):
            values.append(word)
            continue
        if len(values) > 1:
            raise ImtransError(
                f"{path}: '{values[1]}' belongs to no flag, after '--{flag} {values[0]}'. give one "
                "command alone, and quote what has spaces"
            )
        if flag:
            yield flag, values[0] if values else "True", f"--{flag}"
        flag, equals, value = word[2:].partition("=")
        values = [value] if equals else []
