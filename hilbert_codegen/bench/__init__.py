"""Build, run, judge, count and time a decoder on a target. May import emit, targets and below."""
