"""The connectors' process: `python -m apps.connector` is `chat4all run connector`."""

import sys

from chat4all.cli.app import main

if __name__ == "__main__":
    sys.argv[1:1] = ["run", "connector"]
    main()
