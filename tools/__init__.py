"""Programs for the people who work on proxmon: measurements and pictures."""
