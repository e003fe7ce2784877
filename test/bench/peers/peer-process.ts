import { createServer, connect as dial } from 'node:net';
import { join } from 'node:path';
import { findCommand, installPackages } from '../../../scripts/engine/system-packages.ts';
import { ManagedProcess, waitUntil } from '../../../scripts/network/managed-process.ts';

/** What benchmarks compare with and how it is come by: Debian's own builds, started here, on loopback, as ordinary processes. */
export interface PeerPackage {
  /** Name in Debian. */
  readonly name: string;
  readonly command: string;
  readonly why: string;
}

/** Installs what is missing, saying so first. Throws with a hint where that cannot be done. */
export async function ensurePackages(packages: readonly PeerPackage[], signal: AbortSignal): Promise<void> {
  const missing = packages.filter(({ command }) => findCommand(command) === undefined);
  if (missing.length === 0) return;
  const write = (text: string) => void process.stderr.write(text);
  await installPackages(
    missing.map((entry) => ({ ...entry, purpose: 'tests' as const })),
    write,
    signal,
  );
}

/** Starts a peer; its output goes to a file of its folder. */
export function startPeer(dir: string, command: string, args: readonly string[]): ManagedProcess {
  const path = findCommand(command);
  if (path === undefined) throw new Error(`${command} is not installed`);
  const peer = new ManagedProcess({
    name: command,
    command: path,
    args,
    logFile: join(dir, `${command}.log`),
  });
  peer.start();
  return peer;
}

/** Resolves when the peer listens. */
export function waitForPort(peer: ManagedProcess, port: number, signal: AbortSignal): Promise<boolean> {
  return waitUntil(
    `${peer.name} to listen on ${port}`,
    async () => {
      if (!peer.running) throw new Error(`${peer.name} ended at once:\n${await peer.tail()}`);
      return new Promise<boolean>((resolve) => {
        const socket = dial(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
        socket.on('connect', () => socket.destroy());
      });
    },
    { timeoutMs: 20_000, signal },
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
