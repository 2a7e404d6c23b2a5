"""Run one command as a shell would, in a network where only our servers exist; Linux only."""
