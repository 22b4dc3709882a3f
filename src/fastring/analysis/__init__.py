"""What is measured in audio: features, levels, voice, and where speech starts and ends."""
