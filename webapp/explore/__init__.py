"""Figures of crashes: what they show, which crashes they are of, and the SQL of both."""
