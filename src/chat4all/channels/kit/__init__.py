"""What every channel needs: its manifest, its registry, the closed set of errors, HTTP, splitting, events."""
