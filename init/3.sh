psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "INSERT INTO cats VALUES ('Sylvester')"
