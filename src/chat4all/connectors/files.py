"""connectors/*.yaml: ChannelConnectors and their Secrets, where there is no Kubernetes to keep them.

What is wrong is said with its file and line, and nothing starts until it is fixed.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pydantic
import yaml

from chat4all.channels.kit.manifest import Manifest, Manifests
from chat4all.channels.kit.resource import ChannelConnector, Secret

_KINDS: Mapping[str, type[pydantic.BaseModel]] = {"ChannelConnector": ChannelConnector, "Secret": Secret}


class FileError(Exception):
    """A connectors file is wrong; the text names file and line."""


class DeclaredConnector(NamedTuple):
    """A connector, checked whole. `credentials`, `config`: of its channel's own kinds."""

    resource: ChannelConnector
    manifest: Manifest
    credentials: pydantic.BaseModel
    config: pydantic.BaseModel


class _Document(NamedTuple):
    path: Path
    node: yaml.Node
    resource: pydantic.BaseModel


def read(folder: Path, manifests: Manifests) -> list[DeclaredConnector]:
    """All of a folder's; none where there is no such folder. Raises FileError."""
    documents = [one for path in sorted(folder.glob("*.yaml")) for one in _documents(path)]
    secrets = {
        (one.resource.metadata.namespace, one.resource.metadata.name): one
        for one in documents
        if isinstance(one.resource, Secret)
    }
    wanted: dict[str, DeclaredConnector] = {}
    for document in documents:
        if isinstance(document.resource, ChannelConnector):
            made = _wanted(document, document.resource, secrets, manifests)
            if made.resource.id in wanted:
                raise FileError(f"{_place(document, ('metadata', 'name'))}: {made.resource.id} is there twice.")
            wanted[made.resource.id] = made
    return list(wanted.values())


def _documents(path: Path) -> Iterator[_Document]:
    try:
        nodes = list(yaml.compose_all(path.read_text(), Loader=yaml.SafeLoader))
        values = [yaml.safe_load(yaml.serialize(node)) for node in nodes]
    except yaml.MarkedYAMLError as error:  # its text shows the line, and that may be a secret's
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else f"{path}"
        raise FileError(f"{where}: it is no YAML.") from None
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, ValueError):
        raise FileError(f"{path}: it is no YAML in UTF-8.") from None
    for node, value in zip(nodes, values, strict=True):
        kind = value.get("kind") if isinstance(value, dict) else None
        model = _KINDS.get(str(kind))
        if model is None:
            line = node.start_mark.line + 1
            raise FileError(f"{path}, line {line}: kind is {kind}; it has to be one of {', '.join(_KINDS)}.")
        yield _Document(path, node, _checked(model, value, path, node, ()))


def _wanted(
    document: _Document,
    resource: ChannelConnector,
    secrets: Mapping[tuple[str, str], _Document],
    manifests: Manifests,
) -> DeclaredConnector:
    manifest = manifests.get(resource.spec.channel)
    if manifest is None:
        there = ", ".join(sorted(manifests))
        where = _place(document, ("spec", "channel"))
        raise FileError(f"{where}: there is no channel {resource.spec.channel}; there is {there}.")
    name = resource.spec.credentials_secret_ref.name
    found = secrets.get((resource.metadata.namespace, name))
    if found is None or not isinstance(found.resource, Secret):
        where = _place(document, ("spec", "credentialsSecretRef", "name"))
        raise FileError(f"{where}: there is no Secret {name} in {document.path.parent}.")
    secret = {key: value.get_secret_value() for key, value in found.resource.string_data.items()}
    config = _checked(manifest.config, resource.spec.config, document.path, document.node, ("spec", "config"))
    credentials = _checked(manifest.credentials, secret, found.path, found.node, ("stringData",))
    return DeclaredConnector(resource, manifest, credentials, config)


def _checked(
    model: type[pydantic.BaseModel], value: Any, path: Path, node: yaml.Node, below: tuple[str, ...]
) -> pydantic.BaseModel:
    """Raises FileError with the line of the first field that is wrong; never with what stands there."""
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        loc = (*below, *map(str, first["loc"]))
        raise FileError(f"{path}, line {_line(node, loc)}: {'.'.join(loc)}: {first['msg']}.") from None


def _place(document: _Document, loc: tuple[str, ...]) -> str:
    return f"{document.path}, line {_line(document.node, loc)}"


def _line(node: yaml.Node, loc: tuple[str, ...]) -> int:
    """Where a field stands, or what it should stand in."""
    line = int(node.start_mark.line) + 1
    for name in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next((one for one in node.value if one[0].value == name), None)
            if pair is None:
                return line
            line, node = int(pair[0].start_mark.line) + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and name.isdigit() and int(name) < len(node.value):
            node = node.value[int(name)]
            line = int(node.start_mark.line) + 1
    return line
