"""One verb a file, one topic each: decode, call, emit."""
