"""The simulator's process: settings from the environment, its address on standard output."""

import sys

from chat4all.model.errors import StartError
from chat4all.processes import config
from chat4all_simulator import process


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    try:
        process.run(config.load().simulator, lambda url, log: print(f"Simulator: {url}   Log: {log}", flush=True))
    except (StartError, process.StartError) as error:
        sys.exit(f"simulator: {error}")


if __name__ == "__main__":
    main()
