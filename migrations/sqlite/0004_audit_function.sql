-- Nothing to do here: a trigger of SQLite's reads the tables of its own file, whatever a session calls its own.
SELECT 1;
