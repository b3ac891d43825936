"""Measures proxmon on this machine, each figure against a baseline or a goal of the same run."""
