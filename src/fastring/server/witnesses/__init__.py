"""Those who act on what a voice session says, besides its client."""
