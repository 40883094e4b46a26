"""The local stack without Docker: real servers from packages, every stage, edges and the API.

| module | does |
|---|---|
| ``addresses`` | which ports and directory a stack has; the settings to talk to it |
| ``packages`` | Java, jars and the redis-server binary: found or fetched |
| ``spec`` | a plan as data: services, how to start, probe and stop them |
| ``servers`` | Kafka, Redis and Cassandra as specs (pure) |
| ``plan`` | the whole stack as a plan (pure) |
| ``probes`` | is a service ready? asked over its own protocol |
| ``processes`` | children that die with their parent; pids that are not mistaken for others |
| ``state`` | ``stack.json`` and the lock of a data directory |
| ``restarts`` | when a service that ended is started again (pure) |
| ``logs`` | log files of bounded size |
| ``supervisor`` | starts a plan, keeps it running, stops it |
| ``launch`` | what is checked before a start; foreground and detached |
| ``inspection`` | what runs now, asked live |
| ``doctor`` | what is wrong and how to mend it |
| ``display`` | progress, tables and colour |
| ``commands`` | the verbs |
"""
