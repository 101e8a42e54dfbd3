"""Texts and their entities, as the Bot API reads, trims, limits and marks them.

https://core.telegram.org/bots/api#formatting-options, and
https://github.com/tdlib/td/blob/master/td/telegram/MessageEntity.cpp
"""
