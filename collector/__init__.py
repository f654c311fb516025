"""Exchange → NATS: venue adapters, local books, continuity, frames."""
