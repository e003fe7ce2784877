/**
 * Lets a reader that has enough go away (`state-hash | head`): what is still written is dropped, and the command ends with the
 * exit status that it would have had. Any other failure of standard output is told on standard error, and is exit status 1.
 */
export function toleratePipesThatClose(
  streams: Readonly<Record<string, NodeJS.EventEmitter>> = {
    'standard output': process.stdout,
    'standard error': process.stderr,
  },
): void {
  for (const [name, stream] of Object.entries(streams)) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      process.exitCode = 1;
      if (stream !== process.stderr)
        process.stderr.write(`error: ${name} cannot be written: ${error.message}\n`);
    });
  }
}
