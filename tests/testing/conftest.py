from django_redis_patterns.testing.fixtures import fault_proxy, redis_cluster, sentinel_trio, tls_server
