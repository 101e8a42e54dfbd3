"""What Telegram sends and answers, and what that means."""
