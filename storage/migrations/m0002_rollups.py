"""Migration 2: minimum, mean, maximum, last value and count of each metric, by the minute and by the hour.

``rollup_progress`` says what they tell of: all samples up to ``sample_id``, by the hour before ``hours_through``.
``kept_since`` says from when on a table still has what it was given; a table without a row has everything.
"""

SQL = """
CREATE TABLE base.host_1m (
    host_id INTEGER, started_at TIMESTAMP,
    load1_min DOUBLE, load1_mean DOUBLE, load1_max DOUBLE, load1_last DOUBLE, load1_count INTEGER,
    load5_min DOUBLE, load5_mean DOUBLE, load5_max DOUBLE, load5_last DOUBLE, load5_count INTEGER,
    load15_min DOUBLE, load15_mean DOUBLE, load15_max DOUBLE, load15_last DOUBLE, load15_count INTEGER,
    cpu_percent_min DOUBLE, cpu_percent_mean DOUBLE, cpu_percent_max DOUBLE, cpu_percent_last DOUBLE,
    cpu_percent_count INTEGER,
    mem_used_bytes_min BIGINT, mem_used_bytes_mean DOUBLE, mem_used_bytes_max BIGINT, mem_used_bytes_last BIGINT,
    mem_used_bytes_count INTEGER,
    mem_total_bytes_min BIGINT, mem_total_bytes_mean DOUBLE, mem_total_bytes_max BIGINT, mem_total_bytes_last BIGINT,
    mem_total_bytes_count INTEGER,
    arc_bytes_min BIGINT, arc_bytes_mean DOUBLE, arc_bytes_max BIGINT, arc_bytes_last BIGINT, arc_bytes_count INTEGER
);
CREATE TABLE base.zpool_1m (
    host_id INTEGER, started_at TIMESTAMP, pool VARCHAR,
    capacity_percent_min DOUBLE, capacity_percent_mean DOUBLE, capacity_percent_max DOUBLE,
    capacity_percent_last DOUBLE, capacity_percent_count INTEGER,
    fragmentation_percent_min DOUBLE, fragmentation_percent_mean DOUBLE, fragmentation_percent_max DOUBLE,
    fragmentation_percent_last DOUBLE, fragmentation_percent_count INTEGER,
    size_bytes_min BIGINT, size_bytes_mean DOUBLE, size_bytes_max BIGINT, size_bytes_last BIGINT,
    size_bytes_count INTEGER,
    alloc_bytes_min BIGINT, alloc_bytes_mean DOUBLE, alloc_bytes_max BIGINT, alloc_bytes_last BIGINT,
    alloc_bytes_count INTEGER,
    free_bytes_min BIGINT, free_bytes_mean DOUBLE, free_bytes_max BIGINT, free_bytes_last BIGINT,
    free_bytes_count INTEGER
);
CREATE TABLE base.storage_1m (
    host_id INTEGER, started_at TIMESTAMP, storage VARCHAR,
    used_bytes_min BIGINT, used_bytes_mean DOUBLE, used_bytes_max BIGINT, used_bytes_last BIGINT,
    used_bytes_count INTEGER,
    total_bytes_min BIGINT, total_bytes_mean DOUBLE, total_bytes_max BIGINT, total_bytes_last BIGINT,
    total_bytes_count INTEGER
);
-- Guests are most of all rows, and a mean does not compress: four bytes are exact to a ten millionth.
CREATE TABLE base.guest_1m (
    host_id INTEGER, started_at TIMESTAMP, vmid BIGINT, type VARCHAR,
    cpu_percent_min DOUBLE, cpu_percent_mean FLOAT, cpu_percent_max DOUBLE, cpu_percent_last DOUBLE,
    cpu_percent_count INTEGER,
    mem_bytes_min BIGINT, mem_bytes_mean FLOAT, mem_bytes_max BIGINT, mem_bytes_last BIGINT, mem_bytes_count INTEGER,
    maxmem_bytes_min BIGINT, maxmem_bytes_mean FLOAT, maxmem_bytes_max BIGINT, maxmem_bytes_last BIGINT,
    maxmem_bytes_count INTEGER
);
CREATE TABLE base.host_1h AS FROM base.host_1m LIMIT 0;
CREATE TABLE base.zpool_1h AS FROM base.zpool_1m LIMIT 0;
CREATE TABLE base.storage_1h AS FROM base.storage_1m LIMIT 0;
CREATE TABLE base.guest_1h AS FROM base.guest_1m LIMIT 0;
CREATE TABLE base.rollup_progress (sample_id BIGINT, hours_through TIMESTAMP);
INSERT INTO base.rollup_progress VALUES (0, NULL);
CREATE TABLE base.kept_since (table_name VARCHAR, kept_since TIMESTAMP);

CREATE VIEW host_1m AS SELECT h.host, r.* FROM base.host_1m r JOIN base.hosts h USING (host_id);
CREATE VIEW host_1h AS SELECT h.host, r.* FROM base.host_1h r JOIN base.hosts h USING (host_id);
CREATE VIEW zpool_1m AS SELECT h.host, r.* FROM base.zpool_1m r JOIN base.hosts h USING (host_id);
CREATE VIEW zpool_1h AS SELECT h.host, r.* FROM base.zpool_1h r JOIN base.hosts h USING (host_id);
CREATE VIEW storage_1m AS SELECT h.host, r.* FROM base.storage_1m r JOIN base.hosts h USING (host_id);
CREATE VIEW storage_1h AS SELECT h.host, r.* FROM base.storage_1h r JOIN base.hosts h USING (host_id);
CREATE VIEW guest_1m AS SELECT h.host, r.* FROM base.guest_1m r JOIN base.hosts h USING (host_id);
CREATE VIEW guest_1h AS SELECT h.host, r.* FROM base.guest_1h r JOIN base.hosts h USING (host_id);
"""
