"""Migration 3: the moments in the life of every alert, and the alerts that they make.

An alert is never updated: what it is, now or as of a moment, follows from its events. ``host_id`` is 0 for an alert
about the server itself.
"""

SQL = """
CREATE SEQUENCE base.alert_event_ids;
CREATE TABLE base.alert_events (
    event_id BIGINT, alert_id BIGINT, host_id INTEGER, happened_at TIMESTAMP, kind VARCHAR, severity VARCHAR,
    cause VARCHAR, rule VARCHAR, subject VARCHAR, message VARCHAR, value DOUBLE, value_text VARCHAR, unit VARCHAR,
    threshold VARCHAR, clears_when VARCHAR, began_at TIMESTAMP, actor VARCHAR, detail VARCHAR, until TIMESTAMP
);
CREATE VIEW alert_events AS
    SELECT h.host, e.* FROM base.alert_events e LEFT JOIN base.hosts h USING (host_id);
CREATE VIEW alerts AS
    SELECT h.host, a.* FROM (
        SELECT
            any_value(host_id) AS host_id, alert_id,
            if(bool_or(kind = 'closed'), 'closed', 'open') AS state,
            arg_max(severity, event_id) AS severity,
            if(bool_or(severity = 'critical'), 'critical', 'warning') AS worst_severity,
            any_value(cause) AS cause, arg_max(rule, event_id) AS rule, any_value(subject) AS subject,
            arg_max(message, event_id) AS message, arg_max(value, event_id) AS value,
            arg_max(value_text, event_id) AS value_text, arg_max(unit, event_id) AS unit,
            arg_max(threshold, event_id) AS threshold,
            min(began_at) AS began_at, min(happened_at) AS opened_at,
            max(happened_at) FILTER (kind = 'closed') AS closed_at,
            count(*) FILTER (kind = 'flapping') AS flapping_count, count(*) AS event_count
        FROM base.alert_events GROUP BY alert_id
    ) a LEFT JOIN base.hosts h USING (host_id);
"""
