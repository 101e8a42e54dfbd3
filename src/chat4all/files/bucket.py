"""The bucket of all files, through the S3 library's blocking client: it is only used at the start."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import minio
import urllib3
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from chat4all.files.settings import FilesSettings
from chat4all.model.engines import Description
from chat4all.model.errors import EngineUnavailableError, StartError

_TIMEOUT_SECONDS: Final = 4.0


class Bucket:
    """A bucket has the name and the server that the settings say. No role needs it yet: uploads come with their own
    part of the product."""

    def __init__(self, settings: FilesSettings) -> None:
        self._settings = settings

    async def open(self) -> None:
        """Do nothing: every request makes its own connection."""

    async def migrate(self) -> str:
        is_new = await asyncio.to_thread(self._make)
        return f"bucket {self._settings.bucket} {'made' if is_new else 'exists'}"

    async def check(self) -> None:
        """Do nothing: every role works without it."""

    async def describe(self) -> Description:
        if not await asyncio.to_thread(self._is_there):
            raise StartError(f"there is no bucket {self._settings.bucket}: run chat4all migrate")
        return Description(f"bucket {self._settings.bucket} exists")

    async def close(self) -> None:
        """Do nothing: every request closes its own connection."""

    def _make(self) -> bool:
        """Make the bucket if it does not exist, and return whether it was made now."""
        bucket = self._settings.bucket
        with self._client() as client:
            if client.bucket_exists(bucket):
                return False
            with contextlib.suppress(S3Error):  # another process was quicker
                client.make_bucket(bucket)
            return client.bucket_exists(bucket)

    def _is_there(self) -> bool:
        with self._client() as client:
            return client.bucket_exists(self._settings.bucket)

    @contextlib.contextmanager
    def _client(self) -> Iterator[minio.Minio]:
        """Yield a client, whose connections are closed at the end. Raises EngineUnavailableError, StartError."""
        settings = self._settings
        context = settings.ssl_context()
        try:
            with urllib3.PoolManager(timeout=_TIMEOUT_SECONDS, retries=False, ssl_context=context) as pool:
                yield minio.Minio(
                    settings.endpoint,
                    access_key=settings.user,
                    secret_key=settings.password(),
                    secure=settings.tls,
                    region=settings.region,
                    http_client=pool,
                )
        except (MinioException, HTTPError, OSError) as error:
            raise EngineUnavailableError("files", str(error)[:300]) from error
