"""Migration 4: silences of alerts, and maintenance windows, which come again each week."""

SQL = """
CREATE SEQUENCE base.silence_ids;
CREATE TABLE base.silences (
    silence_id BIGINT, created_by VARCHAR, reason VARCHAR, created_at TIMESTAMP, starts_at TIMESTAMP,
    ends_at TIMESTAMP, alert_id BIGINT, host_pattern VARCHAR, rule_pattern VARCHAR, subject_pattern VARCHAR,
    hours VARCHAR
);
CREATE VIEW silences AS FROM base.silences;
"""
