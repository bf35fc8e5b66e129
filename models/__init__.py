"""Features, training, evaluation, registry and prediction."""
