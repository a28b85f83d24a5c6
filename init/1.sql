CREATE EXTENSION pg_stat_statements; CREATE TABLE cats (name text);
