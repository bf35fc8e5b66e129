"""How good the models are, measured: `python -m models.proof` trains each tier and target, and writes docs/models.md.

On the simulated city, whose true probabilities are known, and on real rows where they are at hand.
Every figure of the document is one that the run measured.
"""
