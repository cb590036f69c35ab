"""The table of flags of docs/coming-from.md, as the mapping has it."""

from imtrans.drafting.published.flags import FLAGS, Flag


def flag_table() -> str:
    rows = ["| flag | key | what to know |", "|---|---|---|"]
    rows += [_row([flag], f"`{_key(flag)}`") for flag in FLAGS if flag.key]
    without = [flag for flag in FLAGS if not flag.key]
    for remark in dict.fromkeys(flag.remark for flag in without):
        rows.append(_row([flag for flag in without if flag.remark == remark], "none"))
    return "\n".join(rows)


def _key(flag: Flag) -> str:
    return flag.key.replace("[[loss]]", "loss").replace("[[logger]]", "logger")


def _row(flags: list[Flag], key: str) -> str:
    return f"| {', '.join(map(_names, flags))} | {key} | {flags[0].remark} |"


def _names(flag: Flag) -> str:
    old = f" ({', '.join(f'`--{name}`' for name in flag.old)})" if flag.old else ""
    return f"`--{flag.name}`{old}"
