"""One plain SUBSCRIBE connection per alias and process (on event loops: per loop), for whoever needs one.

It connects when somebody subscribes and for as long as somebody does, reconnects for ever, subscribes everything again
and tells each listener of the gap. While connected nothing is lost and the order of a channel is kept; what is
published while it is not connected is gone. On a cluster any one node will do, since nodes pass messages on to each
other; who wants to be counted by a script that publishes listens at that script's node.
"""

from .asynchronous import AsyncSubscriber, asubscriber
from .channels import WAIT, Listener, Subscription
from .threaded import Subscriber, subscriber

__all__ = ["WAIT", "AsyncSubscriber", "Listener", "Subscriber", "Subscription", "asubscriber", "subscriber"]
