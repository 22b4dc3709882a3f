"""Word feedback: how well speech follows a text that is known beforehand."""
