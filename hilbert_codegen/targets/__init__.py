"""Where the C runs: cores, boards, toolchains, emulators and the tools they need. May import the flat modules only."""
