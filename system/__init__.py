"""The project and its machine: command line, files, locks, signals, downloads, devices."""
