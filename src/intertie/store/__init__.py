"""Floor 3: what must outlive a process: the journal (a file per worker) and the database (SQLite or PostgreSQL).

All SQL of the project is here, parameterised. Modules that workers import (`journal`) import no database library.
May import: core, config.
"""
