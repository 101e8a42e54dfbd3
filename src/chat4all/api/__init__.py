"""REST: a module per resource, errors as problem+json, health, metrics, the document behind /docs."""
