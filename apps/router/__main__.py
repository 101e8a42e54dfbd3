"""The router's process."""

from chat4all.cli import role

if __name__ == "__main__":
    role.main("router")
