// For workers of a benchmark: they end with it, even if it is interrupted.
process.once('disconnect', () => process.exit());
