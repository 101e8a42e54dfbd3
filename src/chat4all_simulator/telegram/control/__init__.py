"""/control/telegram: bots, phones, groups and limits."""
