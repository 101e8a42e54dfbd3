"""The store of files has these settings in distributed mode."""

from typing import ClassVar

import pydantic

from chat4all.drivers.tls import Secured


class FilesSettings(Secured):
    """The S3 store of files in distributed mode: MinIO, or any other."""

    section: ClassVar = "FILES"

    endpoint: str = pydantic.Field("127.0.0.1:9000", min_length=1, description="Where it is, as host:port.")
    bucket: str = pydantic.Field(
        "chat4all",
        pattern="^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="The bucket of all files; migrate makes it.",
    )
    region: str = pydantic.Field("us-east-1", description="The bucket's region.")
