"""Everything the server can be asked, one family of endpoints a protocol."""
