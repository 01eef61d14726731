"""Redis Arcade as its visitors and its owner see it."""
