"""Gradio's parser of uploads, for files alone and nothing left behind.

Gradio keeps what is no file in memory, however large, and the beginnings of files that a client
did not send to their end.
"""

from pathlib import Path
from typing import Any

from imtrans.api.extras import imported

FILES_ALONE = "an upload is of files alone; with curl: -F files=@photo.png"


def take_files_alone() -> None:
    """From now on, for all servers of this process."""
    gradio: Any = imported("gradio.route_utils", extra="serve")
    starlette = imported("starlette.formparsers", extra="serve")
    if not hasattr(gradio.GradioMultiPartParser, "imtrans"):
        gradio.GradioMultiPartParser = _without_fields(gradio, starlette.MultiPartException)


def _without_fields(gradio: Any, refused: type[Exception]) -> type:
    class FilesAlone(gradio.GradioMultiPartParser):
        imtrans = True

        def on_headers_finished(self) -> None:
            super().on_headers_finished()
            if self._current_part.file is None:
                raise refused(FILES_ALONE)

        async def parse(self) -> Any:
            try:
                return await super().parse()
            except BaseException:  # also of a client that goes
                for file in self._files_to_close_on_error:
                    file.close()
                    Path(file.name).unlink(missing_ok=True)
                raise

    return FilesAlone
