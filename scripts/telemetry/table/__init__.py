"""Turn the request of a run into the rows of the table."""
