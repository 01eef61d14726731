"""Queues: jobs that wait in order, by priority or until they are due; none is lost, whoever dies.

    queue = Queue("thumbs")
    queue.push({"id": 1}, delay=5, priority=10); queue.push_many([...]); queue.push_on_commit({...})
    with queue.take(wait=5) as job: ...          # ack at the end, nack with backoff on an exception; None when empty
    queue.peek(10); queue.position(id); queue.reprioritize(id, 9); queue.dead(); queue.retry(id)

``queues.tasks`` is the same for ``django.tasks``: results, retries, cron; ``manage.py redis worker`` runs them.

Push: one script, that may be sent twice. Take and ack: one script each; a worker's are one, for a batch of both. Idle:
one BLPOP in ten seconds.
Promises: at least once; an end is recorded once. A job is in Redis from push to ack, and is claimed under a lease and
a fence: who comes late does not count. What kills its process runs alone, and ends as a dead letter with a reason.
"""

from django_redis_patterns.core.worker.backoff import Backoff, exponential
from django_redis_patterns.exceptions import JobLost, QueueError

from .letters import Letter, Waiting
from .queue import Queue
from .stats import Minute, Stats
from .take import Job
from .workers import InHand, Worker

__all__ = [
    "Backoff",
    "InHand",
    "Job",
    "JobLost",
    "Letter",
    "Minute",
    "Queue",
    "QueueError",
    "Stats",
    "Waiting",
    "Worker",
    "exponential",
]
