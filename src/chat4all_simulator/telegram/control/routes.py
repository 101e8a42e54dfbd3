"""All routes of /control/telegram in one."""

from fastapi import APIRouter

from chat4all_simulator.journal import Journal
from chat4all_simulator.telegram.control import bots, groups, phones
from chat4all_simulator.telegram.limits import Limits
from chat4all_simulator.telegram.phones import Phones
from chat4all_simulator.telegram.secrets import Secrets
from chat4all_simulator.telegram.world import World


def router(world: World, people: Phones, secrets: Secrets, limits: Limits, journal: Journal) -> APIRouter:
    """Return the routes of bots, phones and groups as one router."""
    routes = APIRouter()
    routes.include_router(bots.router(world, secrets, limits, journal))
    routes.include_router(phones.router(world, people))
    routes.include_router(groups.router(world, people))
    return routes
