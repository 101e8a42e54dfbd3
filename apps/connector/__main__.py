"""`python -m apps.connector` is `chat4all run connector` with the settings beside this file."""

import sys
from pathlib import Path

from dotenv import load_dotenv

from chat4all.cli.app import main

if __name__ == "__main__":
    load_dotenv(Path(__file__).with_name("settings.env"))  # what is in the environment already stays
    sys.argv[1:1] = ["run", "connector"]
    main()
