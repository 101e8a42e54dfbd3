"""What every channel has to do, as tests over the tables that it brings in `tests/cases.py` and `tests/fixtures/`.

A package with a channel runs them with pytest and pytest-asyncio (chat4all[testing]):

    from chat4all.channels.testing.conformance import ChannelConformance
    from pigeon_post import MANIFEST

    class TestPigeonPost(ChannelConformance):
        manifest = MANIFEST
"""

import importlib
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import pytest_asyncio

from chat4all.channels.kit import errors
from chat4all.channels.kit.http import ProviderClient
from chat4all.channels.kit.manifest import Manifest
from chat4all.channels.kit.port import Channel, Post
from chat4all.channels.testing.provider import Provider
from chat4all.channels.testing.tables import ExpectedRequest, Incoming, Outgoing
from chat4all.model.reasons import REASONS

_NEEDED = {
    errors.ThrottledError,
    errors.RecipientError,
    errors.RejectedError,
    errors.CredentialsError,
    errors.UnknownOutcomeError,
}
_NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there
_LOGGERS_OF_THE_TEST = ("asyncio",)


class ChannelConformance:
    """The tests of one channel. `manifest`: the channel's."""

    manifest: ClassVar[Manifest]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the tests of a case once for each row of the channel's tables."""
        for name, rows in (("incoming", self.cases().INCOMING), ("outgoing", self.cases().OUTGOING)):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, rows, ids=[row.name for row in rows])

    @pytest_asyncio.fixture
    async def client(self) -> AsyncIterator[ProviderClient]:
        """A client of a provider that is not there."""
        client = ProviderClient(_NOBODY)
        yield client
        await client.close()

    def cases(self) -> ModuleType:
        """Import the module with the channel's tables, CREDENTIALS, CONFIG, INCOMING and OUTGOING."""
        return importlib.import_module(f"{self.manifest.implementation.rpartition('.')[0]}.tests.cases")

    def fixtures(self) -> Path:
        """The folder of what the provider sends, a file each."""
        return Path(str(self.cases().__file__)).parent / "fixtures"

    def secrets(self) -> list[str]:
        """The credentials of the tables, which may be nowhere in what the channel says."""
        return [str(value) for value in self.cases().CREDENTIALS.values()]

    def channel(self, client: ProviderClient, config: Any = None) -> Channel:
        """The channel with the credentials of its tables."""
        cases = self.cases()
        return self.manifest.load()(
            client,
            self.manifest.credentials.model_validate(cases.CREDENTIALS),
            self.manifest.config.model_validate({**cases.CONFIG, **(config or {})}),
        )

    @pytest.mark.asyncio
    async def test_what_comes_is_verified_and_understood(self, incoming: Incoming, client: ProviderClient) -> None:
        channel, body = self.channel(client), (self.fixtures() / incoming.fixture).read_bytes()
        if not incoming.genuine:
            with pytest.raises(errors.NotGenuineError):
                channel.verify(Post(incoming.headers, body))
            return
        channel.verify(Post(incoming.headers, body))
        if incoming.error is not None:
            with pytest.raises(incoming.error):
                channel.parse(body)
            return
        assert tuple(channel.parse(body)) == incoming.events
        assert tuple(channel.parse(body)) == incoming.events, "the same again"

    @pytest.mark.asyncio
    async def test_what_goes_is_said_in_the_provider_s_words_and_its_answer_understood(
        self, outgoing: Outgoing, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with Provider(outgoing.answers) as provider:
            client = ProviderClient(provider.url, answer_seconds=5)
            channel = self.channel(client, outgoing.config)
            calling = getattr(channel, outgoing.method)(*outgoing.arguments, **outgoing.options)
            if outgoing.error is None:
                assert await calling == outgoing.result
                said = ""
            else:
                with pytest.raises(outgoing.error) as raised:
                    await calling
                assert {name: getattr(raised.value, name) for name in outgoing.attributes} == outgoing.attributes
                said = f"{raised.value!r} {raised.value.sentence} {raised.value.__cause__!r}"
            await client.close()
        requests = tuple(ExpectedRequest(self._hidden(path), body) for path, body in provider.requests)
        assert not outgoing.requests or requests == outgoing.requests
        ours = "\n".join(one.getMessage() for one in caplog.records if not one.name.startswith(_LOGGERS_OF_THE_TEST))
        assert not [one for one in self.secrets() if one in said + ours]

    @pytest.mark.asyncio
    async def test_where_nobody_is_nothing_was_sent(self, client: ProviderClient) -> None:
        with pytest.raises(errors.UnreachableError):
            await self.channel(client).account()

    def test_every_fixture_is_used(self) -> None:
        assert {one.name for one in self.fixtures().iterdir()} == {case.fixture for case in self.cases().INCOMING}

    def test_credentials_are_hidden_and_unknown_fields_refused(self) -> None:
        manifest, cases = self.manifest, self.cases()
        credentials = manifest.credentials.model_validate(cases.CREDENTIALS)
        assert set(manifest.redact) == set(manifest.credentials.model_fields)
        assert not [one for one in self.secrets() if one in repr(credentials) + str(credentials.model_dump())]
        for model, given in ((manifest.credentials, cases.CREDENTIALS), (manifest.config, cases.CONFIG)):
            with pytest.raises(ValueError, match="surprise"):
                model.model_validate({**given, "surprise": 1})

    def test_its_name_can_stand_in_a_path_and_a_topic(self) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9-]{1,30}", self.manifest.name)
        assert self.manifest.title

    def test_its_tables_hold_what_every_channel_meets(self) -> None:
        cases = self.cases()
        assert {case.error for case in cases.OUTGOING} >= _NEEDED
        assert {case.genuine for case in cases.INCOMING} >= {False, True}
        assert errors.MalformedError in {case.error for case in cases.INCOMING}

    def test_every_reason_that_it_gives_is_in_the_table(self) -> None:
        reasons = {case.attributes["reason"] for case in self.cases().OUTGOING if "reason" in case.attributes}
        assert reasons <= {*REASONS, "AlreadySo"}

    def _hidden(self, path: str) -> str:
        for secret in self.secrets():
            path = path.replace(secret, "…")
        return path
