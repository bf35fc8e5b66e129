"""One ASGI app: Dash pages and the REST API."""
