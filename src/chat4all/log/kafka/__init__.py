"""The log on Kafka: one topic partition a partition, each batch acknowledged by all replicas in sync."""
