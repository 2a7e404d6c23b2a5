"""From the request of a run to the rows of the table."""
