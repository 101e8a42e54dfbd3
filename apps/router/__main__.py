"""The router's process: `python -m apps.router` is `chat4all run router`."""

import sys

from chat4all.cli.app import main

if __name__ == "__main__":
    sys.argv[1:1] = ["run", "router"]
    main()
