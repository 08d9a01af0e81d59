"""Event source mappings of Amazon MQ: a real RabbitMQ is consumed, and functions get AWS's own event."""
