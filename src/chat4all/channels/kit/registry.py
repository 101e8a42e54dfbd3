"""Which channels are installed: the folders beside this one, and those that other packages bring.

Another package brings one by an entry point of the group `chat4all.channels` that names its MANIFEST.
"""

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Final

from chat4all import channels
from chat4all.channels.kit.manifest import Manifest, Manifests

GROUP: Final = "chat4all.channels"
_NO_CHANNEL: Final = {"kit", "testing"}


class RegistryError(Exception):
    """What is installed contradicts itself; the text says which package, and how."""


def installed() -> Manifests:
    """Every channel's manifest by its name. Raises RegistryError."""
    found: dict[str, Manifest] = {}
    for module in pkgutil.iter_modules(channels.__path__):
        if module.ispkg and module.name not in _NO_CHANNEL:
            package = importlib.import_module(f"{channels.__name__}.{module.name}")
            _add(found, getattr(package, "MANIFEST", None), package.__name__)
    for point in entry_points(group=GROUP):
        _add(found, point.load(), f"entry point {point.name} of {point.dist.name if point.dist else 'a package'}")
    return found


def _add(found: dict[str, Manifest], manifest: object, source: str) -> None:
    if not isinstance(manifest, Manifest):
        raise RegistryError(f"{source} has no MANIFEST.")
    if manifest.name in found:
        raise RegistryError(f"{source} calls its channel {manifest.name}, as another one is called.")
    found[manifest.name] = manifest
