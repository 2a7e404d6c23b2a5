"""One command as a shell would run it, in a network where only our servers exist; Linux."""
