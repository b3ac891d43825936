"""Migration 5: what happened to hosts, and when each sample and scrub became known."""

SQL = """
CREATE TABLE base.events (
    host_id INTEGER, happened_at TIMESTAMP, recorded_at TIMESTAMP, kind VARCHAR, rule VARCHAR, subject VARCHAR,
    was VARCHAR, became VARCHAR, message VARCHAR, started_at TIMESTAMP
);
-- Rows of before have none: they count as known when they were so.
ALTER TABLE base.host_samples ADD COLUMN received_at TIMESTAMP;
ALTER TABLE base.zpool_scrubs ADD COLUMN received_at TIMESTAMP;

CREATE VIEW events AS
    SELECT h.host, e.* EXCLUDE (started_at), e.started_at,
        CASE WHEN e.kind <> 'offline' THEN epoch(e.happened_at - e.started_at) END AS duration_seconds
    FROM (
        SELECT * FROM base.events
        UNION ALL BY NAME SELECT host_id, happened_at, happened_at AS recorded_at, kind, detail AS message
        FROM base.host_events
    ) e JOIN base.hosts h USING (host_id);
CREATE OR REPLACE VIEW host_samples AS
    SELECT h.host, s.* FROM base.host_samples s JOIN base.hosts h USING (host_id);
CREATE OR REPLACE VIEW zpool_scrubs AS
    SELECT h.host, s.* FROM base.zpool_scrubs s JOIN base.hosts h USING (host_id);
"""
