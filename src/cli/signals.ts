/** Calls back for each SIGINT or SIGTERM, with how many there were, until undone. */
export function onStopSignals(listener: (count: number) => void): () => void {
  let count = 0;
  const handle = () => listener(++count);
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return () => {
    process.off('SIGINT', handle);
    process.off('SIGTERM', handle);
  };
}

/** Calls back for each SIGHUP, which asks a daemon to read its config anew, until undone. */
export function onReloadSignal(listener: () => void): () => void {
  process.on('SIGHUP', listener);
  return () => process.off('SIGHUP', listener);
}
