"""The command line: a module for each command, `main` that gathers them, and the files that they read and write."""
