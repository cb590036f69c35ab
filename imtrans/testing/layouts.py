"""What a layout promises."""

from imtrans.api.errors import ImtransError
from imtrans.testing.case import Case


def an_empty_folder_has_no_split(case: Case) -> None:
    if case.build(str(case.folder)).has("train"):
        raise case.broken(
            "`has('train')` is true of an empty folder",
            "`has(split)` says whether the files of a split are there",
            "look for the folder of the split, and for images in it",
        )


def says_where_it_looked_for_what_is_missing(case: Case) -> None:
    found = "`pairs('train')` of an empty folder raised nothing"
    try:
        list(case.build(str(case.folder)).pairs("train"))
    except ImtransError as error:
        if str(case.folder) in str(error):
            return
        found = f"`pairs('train')` of an empty folder said: {error}"
    except Exception as error:  # a third party's code
        found = f"`pairs('train')` of an empty folder raised {type(error).__name__}: {error}"
    raise case.broken(
        found,
        "what is missing is an ImtransError that names the folder",
        "use `imtrans.api.layouts.images_below(folder)`, or raise "
        "`ImtransError(f'{folder}: no images there')`",
    )


PROMISES = (an_empty_folder_has_no_split, says_where_it_looked_for_what_is_missing)
