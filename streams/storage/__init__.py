"""Where bytes rest: the object store, Silver and Gold."""
