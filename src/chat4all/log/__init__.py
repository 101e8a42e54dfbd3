"""The conversation log: topics of partitions of records, durable when appended, read by groups of consumers."""
