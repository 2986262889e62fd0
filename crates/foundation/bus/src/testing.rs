//! Helpers for tests: a real RabbitMQ broker.
