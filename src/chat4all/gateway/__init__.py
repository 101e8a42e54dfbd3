"""The WebSocket: sessions, what clients may say, and how one that was away catches up (docs/websocket.md)."""
