"""Train model: ask for a training, watch it, and see what came of it beside what serves."""

from webapp.pages.train.page import callbacks, layout

__all__ = ["callbacks", "layout"]
