"""The operator: it turns the ChannelConnectors of one namespace into running connectors, and keeps them so."""
