"""Telegram's Bot API: https://core.telegram.org/bots/api"""
