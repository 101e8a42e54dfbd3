"""Whether a resource can be worked with: its form, its channel, its config, its inbox, who else has its name."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pydantic

from chat4all.channels.kit.manifest import Manifest
from chat4all.channels.kit.resource import GROUP, MAX_CONFIG_BYTES, ChannelConnector, config_bytes
from chat4all_operator.conditions import Condition
from chat4all_operator.observed import Observed, Refused

_FIELDS: Final = 5  # of a message
_REFUSALS: Final[Mapping[str, str]] = {
    "resource.spec.channel": "ChannelNotInstalled",
    "resource.spec.inbox.members": "InboxInvalid",
    "resource.spec.config": "ConfigInvalid",
}


class Accepted(NamedTuple):
    """A resource that is valid, and its channel. `body`: what is registered, without what the server has added."""

    connector: ChannelConnector
    manifest: Manifest
    config: pydantic.BaseModel
    body: Mapping[str, Any]


class _UnacceptableError(Exception):
    """A resource that cannot be worked with, and why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.condition = _no(reason, message)


def examine(observed: Observed) -> tuple[Accepted | None, Condition]:
    """Return what can be worked with, or None, and the condition Accepted as far as the operator itself can tell."""
    body = stripped(observed)
    try:
        connector = _connector(body)
        manifest = _manifest(observed, connector)
        config = _config(manifest, connector)
        _check_place(observed, connector, config)
    except _UnacceptableError as error:
        return None, error.condition
    return Accepted(connector, manifest, config, body), _yes()


def _connector(body: Mapping[str, Any]) -> ChannelConnector:
    try:
        connector = ChannelConnector.model_validate(body)
    except pydantic.ValidationError as error:
        fields = _named(error.errors(include_input=False), "")
        raise _UnacceptableError("Invalid", f"Fix the fields named: {fields}") from None
    size = config_bytes(connector.spec.config)
    if size > MAX_CONFIG_BYTES:
        raise _UnacceptableError(
            "ConfigTooLarge", f"spec.config has {size} bytes of JSON; at most {MAX_CONFIG_BYTES} are taken."
        )
    return connector


def _manifest(observed: Observed, connector: ChannelConnector) -> Manifest:
    manifest = observed.world.manifests.get(connector.spec.channel)
    if manifest is None:
        there = ", ".join(sorted(observed.world.manifests))
        raise _UnacceptableError(
            "UnknownChannel",
            f"There is no channel {connector.spec.channel} in this image. There is: {there}. A channel cannot be "
            "changed: delete this connector and create it with one of these, or install an image that has it.",
        )
    return manifest


def _config(manifest: Manifest, connector: ChannelConnector) -> pydantic.BaseModel:
    try:
        return manifest.config.model_validate(connector.spec.config)
    except pydantic.ValidationError as error:
        fields = _named(error.errors(include_input=False), "spec.config.")
        raise _UnacceptableError("ConfigInvalid", f"The channel {manifest.name} does not take {fields}") from None


def _check_place(observed: Observed, connector: ChannelConnector, config: pydantic.BaseModel) -> None:
    """What the spec asks for, and this installation does not have."""
    if connector.spec.autoscaling is not None and not observed.world.template.requests_cpu:
        raise _UnacceptableError(
            "NoRequests",
            "spec.autoscaling measures by requested CPU, and connectors request none: set "
            "connectors.resources.requests.cpu in the chart's values, or remove spec.autoscaling.",
        )
    if mode(observed, config) == "Webhook" and not observed.world.hooks.public_url:
        raise _UnacceptableError(
            "NoPublicURL",
            "Its mode is Webhook, and nobody knows where providers reach this installation: set hooks.publicURL or an "
            "Ingress in the chart's values, or spec.config.mode: Polling.",
        )


def answered(observed: Observed, own: Condition, *, registered: bool) -> Condition:
    """Return the condition Accepted with what the internal API says. `registered`: the row is as it is wanted."""
    if not own.ok or registered:
        return own
    if observed.refused is not None:
        return _refused(observed, observed.refused)
    if observed.api_problem:
        return Condition("Accepted", "Unknown", observed.api_reason, observed.api_problem)
    return Condition("Accepted", "Unknown", "Registering", "It is being registered.")


def mode(observed: Observed, config: pydantic.BaseModel) -> str:
    """Return Webhook or Polling: what the config says, else Webhook where providers can reach connectors."""
    asked = getattr(config, "mode", None)
    return str(asked) if asked else ("Webhook" if observed.world.hooks.public_url else "Polling")


def stripped(observed: Observed) -> dict[str, Any]:
    """Return the resource as a person would have written it: what the API server has added is gone."""
    resource = observed.resource
    metadata = {"name": observed.name, "namespace": observed.world.namespace}
    return {
        "apiVersion": resource.get("apiVersion", GROUP),
        "kind": resource.get("kind", "ChannelConnector"),
        "metadata": metadata,
        "spec": resource.get("spec"),
    }


def _refused(observed: Observed, refused: Refused) -> Condition:
    if refused.code == "conflict" and observed.row is not None and observed.row.state == "Removing":
        return Condition("Accepted", "Unknown", "Registering", "The one of its name before it is still being removed.")
    if refused.code == "conflict":
        return _no("Conflict", f"{refused.detail} Delete the other one, or give this one another name.")
    reason = next((one for path, one in _REFUSALS.items() if refused.field.startswith(path)), "Invalid")
    if reason == "ConfigInvalid" and "bytes" in refused.detail:
        reason = "ConfigTooLarge"
    if reason == "ChannelNotInstalled":
        image = observed.world.image or "the operator's"
        return _no(
            reason,
            "The operator knows this channel and the API does not: they run different images. Compare the API's with "
            f"{image}.",
        )
    said = refused.detail or f"The internal API refuses it ({refused.code or 'no code'}) and does not say why."
    return _no(reason, f"{refused.field.removeprefix('resource.')}: {said}" if refused.field else said)


def _named(errors: Sequence[Any], prefix: str) -> str:
    """Name each field and what is wrong with it; never what stands there."""
    some = [f"{prefix}{'.'.join(map(str, one['loc']))} ({one['msg']})" for one in errors[:_FIELDS]]
    more = len(errors) - len(some)
    return ", ".join(some) + (f" and {more} more" if more > 0 else "") + "."


def _no(reason: str, message: str) -> Condition:
    return Condition("Accepted", "False", reason, message)


def _yes() -> Condition:
    return Condition("Accepted", "True", "Accepted", "The channel takes this spec.")
