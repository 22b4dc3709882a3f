"""Deepgram: a live stream per utterance over pooled WebSockets, and one request per utterance."""
