"""The bucket, through the S3 library's blocking client: it is only asked for at the start."""

import contextlib
from collections.abc import Iterator

import minio
import urllib3
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from chat4all.files.settings import FilesSettings
from chat4all.model.errors import EngineUnavailableError

_SECONDS = 4.0


def make(settings: FilesSettings) -> bool:
    """Make the bucket where it is not there; whether it was. Raises EngineUnavailableError, StartError."""
    try:
        with _client(settings) as client:
            if client.bucket_exists(settings.bucket):
                return False
            with contextlib.suppress(S3Error):  # another process was quicker
                client.make_bucket(settings.bucket)
            return client.bucket_exists(settings.bucket)
    except (MinioException, HTTPError, OSError) as error:
        raise EngineUnavailableError("files", str(error)[:300]) from error


def is_there(settings: FilesSettings) -> bool:
    """Whether the bucket is there and may be used. Raises EngineUnavailableError, StartError."""
    try:
        with _client(settings) as client:
            return client.bucket_exists(settings.bucket)
    except (MinioException, HTTPError, OSError) as error:
        raise EngineUnavailableError("files", str(error)[:300]) from error


@contextlib.contextmanager
def _client(settings: FilesSettings) -> Iterator[minio.Minio]:
    """Its connections are closed at the end."""
    context = settings.ssl_context()
    with urllib3.PoolManager(timeout=_SECONDS, retries=False, ssl_context=context) as pool:
        yield minio.Minio(
            settings.endpoint,
            access_key=settings.user,
            secret_key=settings.password(),
            secure=settings.tls,
            region=settings.region,
            http_client=pool,
        )
