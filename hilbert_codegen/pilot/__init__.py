"""Does it pay? Settings, statistics, noise, evaluation, advice, report. May import all rooms but cli."""
