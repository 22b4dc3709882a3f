"""Wire formats without sockets: bytes and text to commands, events to messages."""
