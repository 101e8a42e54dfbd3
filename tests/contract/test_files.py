"""What files will stand on: an S3 store takes an object in parts and gives it back."""

import io
import uuid

import minio
import pytest
import urllib3

from chat4all_devtools.stack.stack import Stack

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("nothing_left_open")]
MEBIBYTE = 1 << 20


@pytest.mark.parametrize("engine", ["minio"])
def test_an_object_in_parts_comes_back_whole(engines: Stack, engine: str) -> None:
    server = engines[engine]
    password = server.password.read_text()
    bucket, whole = f"contract-{uuid.uuid4().hex}", bytes(range(256)) * (6 * MEBIBYTE // 256)
    with urllib3.PoolManager() as pool:
        client = minio.Minio(server.address, access_key="chat4all", secret_key=password, secure=False, http_client=pool)
        client.make_bucket(bucket)
        client.put_object(bucket, "file", io.BytesIO(whole), -1, part_size=5 * MEBIBYTE)
        with client.get_object(bucket, "file") as answer:
            assert answer.read() == whole
        client.remove_object(bucket, "file")
        client.remove_bucket(bucket)
