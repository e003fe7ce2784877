import { createServer, connect as dial } from 'node:net';
import { join } from 'node:path';
import { installPackages } from '@capacloud/rig/programs/install-packages';
import { ManagedProcess, waitUntil } from '@capacloud/rig/programs/managed-process';
import type { SystemProgram } from '@capacloud/rig/programs/programs';
import { missingPackages } from '@capacloud/rig/programs/system-packages';

/**
 * What benchmarks compare with: Debian's own builds, started here, on loopback, as ordinary processes. Installs what is
 * missing of the named packages, saying so first. Throws with a hint where that cannot be done.
 */
export async function ensurePackages(names: readonly string[], signal: AbortSignal): Promise<void> {
  const missing = missingPackages('bench').filter(({ name }) => names.includes(name));
  if (missing.length > 0) await installPackages(missing, (text) => void process.stderr.write(text), signal);
}

/** Starts a peer; its output goes to a file of its folder. */
export function startPeer(dir: string, command: SystemProgram, args: readonly string[]): ManagedProcess {
  const peer = new ManagedProcess({ name: command, command, args, logFile: join(dir, `${command}.log`) });
  peer.start();
  return peer;
}

/** Resolves when the peer listens. */
export function waitForPort(peer: ManagedProcess, port: number, signal: AbortSignal): Promise<boolean> {
  return waitUntil(
    `${peer.name} to listen on ${port}`,
    () =>
      new Promise<boolean>((resolve) => {
        const socket = dial(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
        socket.on('connect', () => socket.destroy());
      }),
    { timeoutMs: 20_000, process: peer, signal },
  );
}

/** A port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
