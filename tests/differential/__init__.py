"""The server under test against a real redis-server: the same requests to both, equal replies, equal contents."""
