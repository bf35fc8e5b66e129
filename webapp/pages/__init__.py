"""The pages: a module a page, with its layout and its callbacks."""
