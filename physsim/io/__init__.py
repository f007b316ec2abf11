"""Arrays and headers to bytes and back: knows no domain object."""
