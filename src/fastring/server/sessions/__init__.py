"""Voice sessions that outlive their connections: what is kept of them, for how long, and who may have them back."""
