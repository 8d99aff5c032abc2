"""What everything else stands on: files, random streams, identity, plug-ins, the environment."""
