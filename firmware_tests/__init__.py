"""Firmware on emulated boards: the program of a board (board/) and its tests, those with the marker `boards`."""
