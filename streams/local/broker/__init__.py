"""An embedded broker: one process that speaks the Kafka protocol, so that a machine without Kafka runs the service.

It is a development default for one machine, **not for production**: one node, no replication, no
authentication, no transactions, and no fsync (what is acknowledged survives the death of the process, not
of the machine). In production point ``CRASH_KAFKA_BOOTSTRAP`` at Apache Kafka instead; nothing else changes.
``docs/decisions/0002-embedded-broker.md`` says why it exists.

Reading order, from the disk up::

    batch      a record batch: its header, its checksum, rewriting it for compaction
    segment    one append-only file of batches, with a sparse index in memory
    producers  what each idempotent producer wrote last
    log        a partition on disk: segments, offsets, repair after a crash
    cleanup    retention and compaction of a log
    journal    a durable dict: topics, committed offsets, producer ids
    configs    the topic configs that are honoured
    partition  a log as seen from the event loop
    topics     the catalogue of topics
    groups     the consumer group state machine
    wire       which requests are spoken, and how they are read and written
    records    Produce, Fetch, ListOffsets, DeleteRecords, InitProducerId
    admin      Metadata, topics and their configs
    coordinator  groups and committed offsets
    server     sockets, housekeeping, start and stop
"""
