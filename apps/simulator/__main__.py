"""The simulator's process: `python -m apps.simulator` is `chat4all simulator`."""

from chat4all_simulator.command import main

if __name__ == "__main__":
    main()
