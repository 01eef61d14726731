"""What tests write under a lock."""

from django.db import models

from django_redis_patterns.locks.models import FencedModel


class Account(FencedModel):
    owner = models.CharField(max_length=20)
    balance = models.IntegerField(default=0)
    changed_at = models.DateTimeField(auto_now=True)


class Savings(Account):
    """A row in two tables."""

    rate = models.IntegerField(default=0)
