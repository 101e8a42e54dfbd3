"""Every channel does what is asked of a channel. Its own tables say with what words."""

import importlib
import logging
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests import pigeon
from tests.contract.channels.provider import Provider

from chat4all.channels.kit import errors, registry
from chat4all.channels.kit.http import Client
from chat4all.channels.kit.manifest import Manifest
from chat4all.channels.kit.port import Channel, Post
from chat4all.channels.testing.tables import Asked, Incoming, Outgoing
from chat4all.model.reasons import REASONS


def tables(manifest: Manifest) -> ModuleType:
    return importlib.import_module(f"{manifest.implementation.rpartition('.')[0]}.tests.cases")


def folder(manifest: Manifest) -> Path:
    return Path(str(tables(manifest).__file__)).parent


def secrets(manifest: Manifest) -> list[str]:
    return [str(value) for value in tables(manifest).CREDENTIALS.values()]


with pigeon.installed():
    MANIFESTS = list(registry.installed().values())
NAMES = [one.name for one in MANIFESTS]
IN = [(manifest, case) for manifest in MANIFESTS for case in tables(manifest).INCOMING]
OUT = [(manifest, case) for manifest in MANIFESTS for case in tables(manifest).OUTGOING]


def channel(manifest: Manifest, client: Client, config: Any = None) -> Channel:
    cases = tables(manifest)
    return manifest.load()(
        client,
        manifest.credentials.model_validate(cases.CREDENTIALS),
        manifest.config.model_validate({**cases.CONFIG, **(config or {})}),
    )


@pytest.fixture
async def client():
    made = Client("http://127.0.0.1:9")
    yield made
    await made.close()


@pytest.mark.parametrize(("manifest", "case"), IN, ids=[f"{m.name}: {c.name}" for m, c in IN])
async def test_what_comes_is_verified_and_understood(manifest: Manifest, case: Incoming, client):
    one, body = channel(manifest, client), (folder(manifest) / "fixtures" / case.fixture).read_bytes()
    if not case.genuine:
        with pytest.raises(errors.NotGenuineError):
            one.verify(Post(case.headers, body))
        return
    one.verify(Post(case.headers, body))
    if case.error is not None:
        with pytest.raises(case.error):
            one.parse(body)
        return
    assert tuple(one.parse(body)) == case.events
    assert tuple(one.parse(body)) == case.events, "the same again"


@pytest.mark.parametrize(("manifest", "case"), OUT, ids=[f"{m.name}: {c.name}" for m, c in OUT])
async def test_what_goes_is_said_in_the_provider_s_words_and_its_answer_understood(
    manifest: Manifest, case: Outgoing, caplog
):
    caplog.set_level(logging.DEBUG)
    async with Provider(case.answered) as provider:
        client = Client(provider.url, answer_seconds=5)
        calling = getattr(channel(manifest, client, case.config), case.does)(*case.given, **case.options)
        if case.error is None:
            assert await calling == case.result
            said = ""
        else:
            with pytest.raises(case.error) as raised:
                await calling
            assert {name: getattr(raised.value, name) for name in case.attributes} == case.attributes
            said = f"{raised.value!r} {raised.value.sentence} {raised.value.__cause__!r}"
        await client.close()
    asked = tuple(Asked(hidden(path, manifest), body) for path, body in provider.asked)
    assert not case.asked or asked == case.asked
    ours = "\n".join(one.getMessage() for one in caplog.records if not one.name.startswith("asyncio"))
    assert not [one for one in secrets(manifest) if one in said + ours]


def hidden(path: str, manifest: Manifest) -> str:
    for secret in secrets(manifest):
        path = path.replace(secret, "…")
    return path


@pytest.mark.parametrize("manifest", MANIFESTS, ids=NAMES)
async def test_where_nobody_is_nothing_was_sent(manifest: Manifest, client):
    with pytest.raises(errors.UnreachableError):
        await channel(manifest, client).account()


@pytest.mark.parametrize("manifest", MANIFESTS, ids=NAMES)
def test_every_fixture_is_used(manifest: Manifest):
    there = {one.name for one in (folder(manifest) / "fixtures").iterdir()}
    assert there == {case.fixture for case in tables(manifest).INCOMING}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=NAMES)
def test_credentials_are_hidden_and_unknown_fields_refused(manifest: Manifest):
    cases = tables(manifest)
    credentials = manifest.credentials.model_validate(cases.CREDENTIALS)
    assert set(manifest.redact) == set(manifest.credentials.model_fields)
    assert not [one for one in secrets(manifest) if one in repr(credentials) + str(credentials.model_dump())]
    for model, given in ((manifest.credentials, cases.CREDENTIALS), (manifest.config, cases.CONFIG)):
        with pytest.raises(ValueError, match="surprise"):
            model.model_validate({**given, "surprise": 1})


@pytest.mark.parametrize("manifest", MANIFESTS, ids=NAMES)
def test_its_name_can_stand_in_a_path_and_a_topic(manifest: Manifest):
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,30}", manifest.name)
    assert manifest.title


@pytest.mark.parametrize("manifest", MANIFESTS, ids=NAMES)
def test_its_tables_hold_what_every_channel_meets(manifest: Manifest):
    cases = tables(manifest)
    kinds = {case.error for case in cases.OUTGOING}
    needed = {errors.ThrottledError, errors.RecipientError, errors.RejectedError, errors.CredentialsError}
    assert needed | {errors.UnknownOutcomeError} <= kinds
    assert {False, True} <= {case.genuine for case in cases.INCOMING}
    assert errors.MalformedError in {case.error for case in cases.INCOMING}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=NAMES)
def test_every_reason_that_it_gives_is_in_the_table(manifest: Manifest):
    given = {case.attributes["reason"] for case in tables(manifest).OUTGOING if "reason" in case.attributes}
    assert given <= {*REASONS, "AlreadySo"}
