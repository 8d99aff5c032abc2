"""Readers for exports of annotation tools and data hubs."""
