"""Core utilities: files, random streams, run identity, plug-ins and the environment."""
