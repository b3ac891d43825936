"""A simulated fleet: hosts with every status, for a first look, for tests and for a past to travel in."""
