"""Connectors: channels at work, each with its lanes, attempts, receipts and inbox, started, watched and stopped."""
