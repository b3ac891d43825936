"""Migration 1: hosts, samples as they came, the typed tables, and the views that analysts read.

Base tables live in the schema ``base`` and know a host by its id; the views of the same names add its name.
There is no index and no key on sample tables: rows come in time order, so that zone maps find a span,
and deleting the oldest drops whole row groups.
Each tier has a table of its own: they are kept for different spans, and a moment's newest rows lie side by side.
"""

SQL = """
CREATE SEQUENCE base.host_ids;
CREATE TABLE base.hosts (host_id INTEGER, host VARCHAR, created_at TIMESTAMP, deleted_at TIMESTAMP);
CREATE TABLE base.host_events (host_id INTEGER, happened_at TIMESTAMP, kind VARCHAR, detail VARCHAR);

CREATE TABLE base.fast_samples (
    sample_id BIGINT, host_id INTEGER, collected_at TIMESTAMP, received_at TIMESTAMP, observed_at TIMESTAMP,
    interval_seconds DOUBLE, clock_offset_seconds DOUBLE, agent_version VARCHAR,
    payload VARCHAR USING COMPRESSION 'zstd'
);
CREATE TABLE base.medium_samples (
    sample_id BIGINT, host_id INTEGER, collected_at TIMESTAMP, received_at TIMESTAMP, observed_at TIMESTAMP,
    interval_seconds DOUBLE, clock_offset_seconds DOUBLE, agent_version VARCHAR,
    payload VARCHAR USING COMPRESSION 'zstd'
);
CREATE TABLE base.slow_samples (
    sample_id BIGINT, host_id INTEGER, collected_at TIMESTAMP, received_at TIMESTAMP, observed_at TIMESTAMP,
    interval_seconds DOUBLE, clock_offset_seconds DOUBLE, agent_version VARCHAR,
    payload VARCHAR USING COMPRESSION 'zstd'
);
CREATE TABLE base.typed_progress (sample_id BIGINT);
INSERT INTO base.typed_progress VALUES (0);

CREATE TABLE base.host_samples (
    host_id INTEGER, observed_at TIMESTAMP, collected_at TIMESTAMP, load1 DOUBLE, load5 DOUBLE, load15 DOUBLE,
    cpu_percent DOUBLE, mem_used_bytes BIGINT, mem_total_bytes BIGINT, arc_bytes BIGINT, uptime_seconds BIGINT
);
CREATE TABLE base.zpool_samples (
    host_id INTEGER, observed_at TIMESTAMP, pool VARCHAR, health VARCHAR, capacity_percent DOUBLE,
    fragmentation_percent DOUBLE, size_bytes BIGINT, alloc_bytes BIGINT, free_bytes BIGINT, error_count BIGINT,
    data_error_count BIGINT, vdev_count BIGINT, degraded_vdev_count BIGINT, redundancy_left BIGINT,
    last_scrub_ended_at TIMESTAMP, scan_function VARCHAR, scan_state VARCHAR, scan_percent DOUBLE,
    scan_errors BIGINT, scan_ended_at TIMESTAMP, rebuild_count BIGINT
);
CREATE TABLE base.vdev_samples (
    host_id INTEGER, observed_at TIMESTAMP, pool VARCHAR, position INTEGER, depth INTEGER, name VARCHAR, kind VARCHAR,
    class VARCHAR, state VARCHAR, read_errors BIGINT, write_errors BIGINT, checksum_errors BIGINT, was VARCHAR
);
CREATE TABLE base.storage_samples (
    host_id INTEGER, observed_at TIMESTAMP, storage VARCHAR, type VARCHAR, used_bytes BIGINT, total_bytes BIGINT,
    active BOOLEAN
);
CREATE TABLE base.guest_samples (
    host_id INTEGER, observed_at TIMESTAMP, vmid BIGINT, type VARCHAR, name VARCHAR, run_state VARCHAR,
    cpu_percent DOUBLE, mem_bytes BIGINT, maxmem_bytes BIGINT, uptime_seconds BIGINT, tags VARCHAR[], lock VARCHAR,
    template BOOLEAN
);
CREATE TABLE base.dataset_samples (
    host_id INTEGER, observed_at TIMESTAMP, dataset VARCHAR, used_bytes BIGINT, avail_bytes BIGINT,
    snapshot_count BIGINT, newest_snapshot_at TIMESTAMP, oldest_snapshot_at TIMESTAMP
);
CREATE TABLE base.guest_addresses (
    host_id INTEGER, observed_at TIMESTAMP, vmid BIGINT, type VARCHAR, name VARCHAR, ips VARCHAR[], macs VARCHAR[]
);
CREATE TABLE base.system_samples (
    host_id INTEGER, observed_at TIMESTAMP, pve_version VARCHAR, zfs_version VARCHAR, kernel VARCHAR,
    pending_updates BIGINT, security_updates BIGINT, reboot_required BOOLEAN, node VARCHAR, cluster VARCHAR
);
CREATE TABLE base.section_errors (
    host_id INTEGER, observed_at TIMESTAMP, tier VARCHAR, section VARCHAR, error VARCHAR, incomplete VARCHAR
);
CREATE TABLE base.zpool_scrubs (host_id INTEGER, pool VARCHAR, ended_at TIMESTAMP, observed_at TIMESTAMP);

CREATE VIEW hosts AS FROM base.hosts;
CREATE VIEW schema_migrations AS FROM base.schema_migrations;
CREATE VIEW host_events AS SELECT h.host, e.* FROM base.host_events e JOIN base.hosts h USING (host_id);
CREATE VIEW samples AS
    SELECT h.host, s.* FROM (
        SELECT 'fast' AS tier, * FROM base.fast_samples
        UNION ALL SELECT 'medium', * FROM base.medium_samples
        UNION ALL SELECT 'slow', * FROM base.slow_samples
    ) s JOIN base.hosts h USING (host_id);
CREATE VIEW host_samples AS SELECT h.host, s.* FROM base.host_samples s JOIN base.hosts h USING (host_id);
CREATE VIEW zpool_samples AS SELECT h.host, s.* FROM base.zpool_samples s JOIN base.hosts h USING (host_id);
CREATE VIEW vdev_samples AS SELECT h.host, s.* FROM base.vdev_samples s JOIN base.hosts h USING (host_id);
CREATE VIEW storage_samples AS SELECT h.host, s.* FROM base.storage_samples s JOIN base.hosts h USING (host_id);
CREATE VIEW guest_samples AS SELECT h.host, s.* FROM base.guest_samples s JOIN base.hosts h USING (host_id);
CREATE VIEW dataset_samples AS SELECT h.host, s.* FROM base.dataset_samples s JOIN base.hosts h USING (host_id);
CREATE VIEW guest_addresses AS SELECT h.host, s.* FROM base.guest_addresses s JOIN base.hosts h USING (host_id);
CREATE VIEW system_samples AS SELECT h.host, s.* FROM base.system_samples s JOIN base.hosts h USING (host_id);
CREATE VIEW section_errors AS SELECT h.host, s.* FROM base.section_errors s JOIN base.hosts h USING (host_id);
CREATE VIEW zpool_scrubs AS SELECT h.host, s.* FROM base.zpool_scrubs s JOIN base.hosts h USING (host_id);
"""
