"""The rules of Redis Arcade that need no browser."""
