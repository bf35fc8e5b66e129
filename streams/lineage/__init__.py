"""From a row of Gold back to the request that it came from: crash month, Silver's version, Bronze's object, runs."""
