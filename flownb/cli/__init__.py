"""The command line: ``flownb run|spin|check|export|show NOTEBOOK``."""
