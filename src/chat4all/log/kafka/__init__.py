"""The log on Kafka: a partition is a topic's partition there, and all replicas in sync acknowledge each batch."""
