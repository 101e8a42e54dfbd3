"""The Bot API's methods, by topic: https://core.telegram.org/bots/api#available-methods"""
