"""What flows: events on topics, pages and months in objects, rows in Gold."""
