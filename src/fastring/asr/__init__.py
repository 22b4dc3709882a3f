"""Speech engines behind one interface, and the pool that runs them."""
