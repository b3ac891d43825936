"""Migration 7: how long each scrub took; of those before, what the events say of it."""

SQL = """
ALTER TABLE base.zpool_scrubs ADD COLUMN duration_seconds DOUBLE;
UPDATE base.zpool_scrubs AS s SET duration_seconds = epoch(e.happened_at - e.started_at)
FROM base.events e
WHERE e.host_id = s.host_id AND e.kind = 'scrub' AND e.became = 'finished' AND e.subject = s.pool
    AND e.happened_at = s.ended_at AND e.started_at <= e.happened_at;

CREATE OR REPLACE VIEW zpool_scrubs AS
    SELECT h.host, s.* FROM base.zpool_scrubs s JOIN base.hosts h USING (host_id);
"""
