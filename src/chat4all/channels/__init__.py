"""Channels: the places outside the app where people are. One folder a channel; what all of them need is in `kit`."""
