"""apps/: a folder per process, whose settings let all of them run beside each other on one machine."""

from pathlib import Path

import dotenv
import pytest

from chat4all.cli.run import RoleName
from chat4all.processes.config import Settings, described
from chat4all.processes.roles import ALL, ROLES

APPS = Path(__file__).parents[2] / "apps"
VARIABLES = {one.variable for one in described(Settings.model_construct())}


def settings(role):
    return dotenv.dotenv_values(APPS / role / "settings.env")


def test_each_role_has_a_folder_a_class_and_a_name_on_the_command_line():
    folders = {one.parent.name for one in APPS.glob("*/__main__.py")}
    assert folders - {"simulator"} == set(ROLES) == set(ALL) == {*RoleName}


@pytest.mark.parametrize("role", ROLES)
def test_its_settings_are_settings(role):
    assert settings(role).keys() <= VARIABLES


def test_no_two_of_them_want_one_port():
    ports = [value for role in ROLES for name, value in settings(role).items() if name.endswith("PORT")]
    assert len(ports) == len(set(ports)) >= len(ROLES)
