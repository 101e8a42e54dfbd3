"""Channels are found by being there: as a folder, or by another package's entry point. Nothing else is changed."""

import subprocess
import sys
from pathlib import Path

import pytest

from chat4all.channels.kit import registry

PIGEON = """
import pydantic

from chat4all.channels.kit.manifest import Capabilities, Manifest
from chat4all.model.rates import Rate


class Credentials(pydantic.BaseModel):
    ring: pydantic.SecretStr


class Config(pydantic.BaseModel):
    loft: str = "home"


MANIFEST = Manifest(
    name="{name}",
    title="Pigeon",
    implementation="pigeon_post:Pigeon",
    credentials=Credentials,
    config=Config,
    capabilities=Capabilities(20, "characters", Rate(1, 1), Rate(1, 1), Rate(1, 1)),
    redact=("ring",),
)


class Pigeon:
    def __init__(self, client, credentials, config):
        self.loft = config.loft
"""


def install(folder: Path, monkeypatch, name: str = "pigeon", value: str = "pigeon_post:MANIFEST") -> None:
    """A package on the path with an entry point, as pip leaves it."""
    (folder / "pigeon_post.py").write_text(PIGEON.format(name=name))
    info = folder / "pigeon_post-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon-post\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\npigeon = {value}\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "pigeon_post", raising=False)


def test_a_folder_is_found():
    assert "telegram" in registry.installed()


def test_another_package_s_is_found_by_its_entry_point(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    manifest = registry.installed()["pigeon"]
    assert manifest.title == "Pigeon"
    assert manifest.load().__name__ == "Pigeon"


def test_manifests_are_read_without_the_channel_s_code():
    assert registry.installed()["telegram"].implementation.partition(":")[0] not in _loaded_by("registry.installed()")


def test_two_of_one_name_are_refused(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, name="telegram")
    with pytest.raises(registry.RegistryError, match="pigeon-post calls its channel telegram"):
        registry.installed()


def test_what_is_no_manifest_is_refused(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, value="pigeon_post:Config")
    with pytest.raises(registry.RegistryError, match="pigeon-post has no MANIFEST"):
        registry.installed()


def _loaded_by(code: str) -> set[str]:
    command = f"from chat4all.channels.kit import registry; {code}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
