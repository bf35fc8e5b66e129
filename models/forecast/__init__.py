"""Expected crashes and injuries a day, citywide and by beat, for the next 14 days."""
