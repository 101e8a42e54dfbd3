"""A rule of a script: on which calls or updates it works, on which of these, and what it does to them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
When = Literal["before", "after"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TooManyRequests(_Strict):
    """429 with retry_after; nothing is processed."""

    fault: Literal["too_many_requests"]
    retry_after: Annotated[int, Field(ge=0)] = 1


class ServerError(_Strict):
    """A status of 5xx with a page of HTML as a proxy gives it; `after`: the call was processed all the same."""

    fault: Literal["server_error"]
    status: Annotated[int, Field(ge=500, le=599)] = 502
    when: When = "before"


class Slow(_Strict):
    """The answer comes late; `before`: the call is processed only then."""

    fault: Literal["slow"]
    seconds: Seconds
    when: When = "after"


class Cut(_Strict):
    """The line is cut, before or after processing, when so many bytes of the answer have been sent."""

    fault: Literal["cut"]
    when: When = "after"
    bytes: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class HalfOpen(_Strict):
    """Nothing is answered on that line any more, and it is not closed."""

    fault: Literal["half_open"]
    when: When = "after"


class WrongJson(_Strict):
    """Status 200 with a body that is not JSON; the call was processed."""

    fault: Literal["wrong_json"]
    body: Annotated[str, Field(max_length=10_000)] = '{"ok":true,"result":{"message_id"'


class Overtaken(_Strict):
    """The answer is held back until what came after the call (a reply, a receipt) was delivered, or so long."""

    fault: Literal["overtaken"]
    seconds: Seconds = 10.0


class Duplicate(_Strict):
    """An update comes so many times more after it was accepted, with its id."""

    fault: Literal["duplicate"]
    copies: Annotated[int, Field(ge=1, le=1000)] = 1


class Delay(_Strict):
    """An update comes late; those behind it in its chat wait too."""

    fault: Literal["delay"]
    seconds: Seconds


class Batch(_Strict):
    """Updates are held until there are so many of the bot's, or so long, and come together."""

    fault: Literal["batch"]
    size: Annotated[int, Field(ge=2, le=1000)]
    seconds: Seconds = 10.0


class Reorder(_Strict):
    """As `batch`, and they come in any order."""

    fault: Literal["reorder"]
    size: Annotated[int, Field(ge=2, le=1000)]
    seconds: Seconds = 10.0


class BadSignature(_Strict):
    """A webhook's update is posted so many times with a wrong signature, and then with the right one."""

    fault: Literal["bad_signature"]
    posts: Annotated[int, Field(ge=1, le=1000)] = 1


CallFault = TooManyRequests | ServerError | Slow | Cut | HalfOpen | WrongJson | Overtaken
UpdateFault = Duplicate | Delay | Batch | Reorder | BadSignature
CALL_FAULTS = ("too_many_requests", "server_error", "slow", "cut", "half_open", "wrong_json", "overtaken")


class On(_Strict):
    """What it works on; what is left out may be anything. `method` is for calls, `update` for updates."""

    provider: Annotated[str, Field(max_length=64)] | None = None
    bot: Annotated[str, Field(max_length=64, description="Its user name.")] | None = None
    chat: int | None = None
    method: Annotated[str, Field(max_length=64, description="As the provider names it, sendMessage.")] | None = None
    update: Annotated[str, Field(max_length=64, description="The kind of update, message for example.")] | None = None


class Rule(_Strict):
    """On which of the matching calls or updates: `nth`, `first` to `last`, `every`, `probability`; else on each.

    `times`: it ends after so many. An id that is there already is replaced, and counted from the start.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    on: On = On()
    nth: Annotated[int, Field(ge=1)] | None = None
    first: Annotated[int, Field(ge=1)] = 1
    last: Annotated[int, Field(ge=1)] | None = None
    every: Annotated[int, Field(ge=1)] = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    do: Annotated[CallFault | UpdateFault, Field(discriminator="fault")]

    @model_validator(mode="after")
    def _fits(self) -> "Rule":
        calls = self.do.fault in CALL_FAULTS
        if calls and self.on.update is not None:
            raise ValueError(f"{self.do.fault} works on calls: give on.method, not on.update")
        if not calls and self.on.method is not None:
            raise ValueError(f"{self.do.fault} works on updates: give on.update, not on.method")
        if self.nth is not None and (self.first, self.last, self.every) != (1, None, 1):
            raise ValueError("nth names one: give neither first, last nor every with it")
        if self.last is not None and self.last < self.first:
            raise ValueError("last is before first")
        return self

    @property
    def is_on_calls(self) -> bool:
        """Whether the rule works on calls; if not, it works on updates."""
        return self.do.fault in CALL_FAULTS
