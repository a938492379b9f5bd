"""polint: a linter for PostgreSQL connection pooling that reads a whole stack and adds it up."""

__version__ = "0.1.0"
