/**
 * Calls back for each SIGINT or SIGTERM, with how many there were, until undone. A terminal that is closed (SIGHUP) counts as
 * two: nobody can press Ctrl-C again.
 */
export function onStopSignals(
  listener: (count: number) => void,
  { hangUp = true }: { hangUp?: boolean } = {},
): () => void {
  let count = 0;
  const handle = () => listener(++count);
  const handleTwice = () => {
    handle();
    handle();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  if (hangUp) process.on('SIGHUP', handleTwice);
  return () => {
    process.off('SIGINT', handle);
    process.off('SIGTERM', handle);
    process.off('SIGHUP', handleTwice);
  };
}

/** Calls back for each SIGHUP, which asks a daemon without a terminal to read its config anew, until undone. */
export function onReloadSignal(listener: () => void): () => void {
  process.on('SIGHUP', listener);
  return () => process.off('SIGHUP', listener);
}
