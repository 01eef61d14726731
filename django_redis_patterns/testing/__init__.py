"""The test kit: real servers for a test run, and fixtures for pytest.

servers     finds a Redis or Valkey server and runs it, leaving nothing behind
cluster     a Redis Cluster out of such servers; migration moves one of its slots, half or whole
sentinel    a primary, its replicas and three sentinels
tls, acl    certificates and users for all of them
proxy       a network that fails on demand: latency, black hole, resets, cut replies
fixtures    pytest: ``from django_redis_patterns.testing.fixtures import *`` in a conftest
"""
