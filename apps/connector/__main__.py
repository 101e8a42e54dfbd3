"""The connector's process."""

from chat4all.processes import main as role

if __name__ == "__main__":
    role.main("connector")
