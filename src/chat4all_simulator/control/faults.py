"""/control/faults, /control/seed and /control/clock: the script of what goes wrong, and the time."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field

from chat4all_simulator.clock import Clock
from chat4all_simulator.faults.rules import Rule
from chat4all_simulator.faults.script import Script, Standing
from chat4all_simulator.journal import Journal


class Seed(BaseModel):
    """What chance starts from."""

    model_config = ConfigDict(extra="forbid")
    seed: int


class Ahead(BaseModel):
    """How far the simulator's clock stands before the machine's, in seconds; it never goes back."""

    model_config = ConfigDict(extra="forbid")
    ahead: Annotated[float, Field(ge=0, le=10 * 365 * 86_400, allow_inf_nan=False)]


def router(script: Script, clock: Clock, journal: Journal) -> APIRouter:
    """Return the routes of /control/faults, /control/seed and /control/clock."""
    routes = APIRouter(tags=["faults"])

    @routes.get("/faults")
    async def faults() -> list[dict[str, Any]]:
        """Every rule, with how many calls or updates it `matched` and to how many it did something (`worked`)."""
        return [_to_json(one) for one in script]

    @routes.post("/faults")
    async def put(rule: Rule) -> dict[str, Any]:
        """Add a rule, or replace the one of that id. The first that works on a call is the only one that does."""
        script.put(rule)
        return rule.model_dump(mode="json")

    @routes.delete("/faults")
    async def clear() -> dict[str, str]:
        """Remove every rule."""
        script.remove(None)
        return {"status": "removed"}

    @routes.delete("/faults/{rule_id}")
    async def remove(rule_id: Annotated[str, Path(max_length=64)]) -> dict[str, str]:
        """Remove a rule."""
        if not script.remove(rule_id):
            raise HTTPException(404, f"There is no rule {rule_id}. GET /control/faults lists them.")
        return {"status": "removed"}

    @routes.put("/seed")
    async def set_seed(seed: Seed) -> Seed:
        """What chance in rules starts from, from now on."""
        script.set_seed(seed.seed)
        return seed

    @routes.put("/clock")
    async def set_clock(wanted: Ahead) -> Ahead:
        """Set the clock ahead: messages grow old, limits are forgotten, updates expire."""
        if wanted.ahead < clock.ahead:
            raise HTTPException(409, f"The clock is {clock.ahead} s ahead already and never goes back.")
        journal.note("clock", ahead=wanted.ahead)
        clock.ahead = wanted.ahead
        return wanted

    return routes


def _to_json(standing: Standing) -> dict[str, Any]:
    return standing.rule.model_dump(mode="json") | {"matched": standing.matched, "worked": standing.worked}
