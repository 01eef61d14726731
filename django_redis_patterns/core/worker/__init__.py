"""The runtime of long-running programs: a supervisor that runs no user code, and children that run handlers.

It knows no room. A room hands in a `Workload`, whose feeds say where jobs come from and where their ends are recorded;
the runtime owns processes, threads, the event loop, leases, signals, and how to get through an outage.
"""
