-- Runs once, when the database is made.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE TABLE IF NOT EXISTS schema_notes (
	noted_at timestamptz NOT NULL DEFAULT now(),
	note text NOT NULL
);
INSERT INTO schema_notes (note) VALUES ('made by scripts/init-db.sql');
