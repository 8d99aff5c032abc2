"""Readers of what annotation tools and data hubs export."""
