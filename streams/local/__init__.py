"""What a run on one machine embeds: broker, S3 store, simulated portal, supervisor."""
