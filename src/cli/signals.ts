/**
 * Calls back for each SIGINT or SIGTERM, with their number so far, until undone. A closed terminal (SIGHUP) counts as
 * two, since the user can't press Ctrl-C again.
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

/** Calls back for each SIGHUP until undone; it tells a daemon without a terminal to read its config again. */
export function onReloadSignal(listener: () => void): () => void {
  process.on('SIGHUP', listener);
  return () => process.off('SIGHUP', listener);
}
