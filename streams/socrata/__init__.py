"""The portal's API (SODA 2.1): requests, keyset pages, answers."""
