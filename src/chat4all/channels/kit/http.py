"""HTTP to a provider, in the errors of the kit, without a word of what is secret in anything that gets out."""

from collections.abc import Mapping
from typing import Any, Final

from chat4all.channels.kit.errors import CredentialsError, UnknownOutcomeError, UnreachableError
from chat4all.drivers.http import Answer, BadAddressError, HttpPool, NoAnswerError, NotSentError

__all__ = ["Answer", "ProviderClient"]

_ANSWER_SECONDS: Final = 15.0


class ProviderClient:
    """`base_url`: the provider's. It has to be made in the loop that uses it, and closed at the end."""

    def __init__(self, base_url: str, *, answer_seconds: float = _ANSWER_SECONDS) -> None:
        self._pool = HttpPool(base_url, answer_seconds=answer_seconds)

    async def post(
        self, path: str, body: Any, *, headers: Mapping[str, str] | None = None, seconds: float | None = None
    ) -> Answer:
        """Post JSON. `seconds`: how long this answer may take.

        Raises UnreachableError where nothing was sent, UnknownOutcomeError where it may have arrived, CredentialsError
        where the credentials make no address.
        """
        try:
            return await self._pool.request("POST", path, body, headers=headers, seconds=seconds)
        except NotSentError as error:
            raise UnreachableError(f"The provider cannot be reached ({error}).") from None
        except BadAddressError:
            raise CredentialsError(
                "What the provider's address is made of is no address; is the token right?"
            ) from None
        except NoAnswerError as error:
            raise UnknownOutcomeError(f"The provider gave no whole answer ({error}).") from None

    async def close(self) -> None:
        """Let go of the connections to the provider."""
        await self._pool.close()
