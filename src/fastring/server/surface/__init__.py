"""What the server says of itself: OpenAPI of its pages, AsyncAPI of its WebSockets, made from the tables that serve."""
