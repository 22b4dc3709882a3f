"""Audio as samples: the ring that keeps it, and the conversions between formats."""
