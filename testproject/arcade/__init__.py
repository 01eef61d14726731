"""The arcade: eight rooms, each showing one Redis pattern."""
