import { execFile } from 'node:child_process';
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ManagedProcess, waitUntil } from '@capacloud/rig/programs/managed-process';
import { programPath, type SystemProgram } from '@capacloud/rig/programs/programs';

const runFile = promisify(execFile);
const run = (program: SystemProgram, args: readonly string[]) => runFile(programPath(program), args);

const maxNetworks = 50;
let opened = 0;

/** As seen from the inside. */
export type Direction = 'in' | 'out';
const chains: Readonly<Record<Direction, string>> = { in: 'INPUT', out: 'OUTPUT' };

/**
 * A network namespace on the far end of a pair of virtual interfaces, that can lose every packet of one direction. It
 * belongs to a process that only waits: with that process go namespace, both interfaces and all rules, and the
 * machine's own rules are never touched.
 */
export class SideNetwork {
  /** Address of this machine for whoever is inside. */
  readonly hostAddress: string;
  /** Put before a command, runs it inside. */
  readonly prefix: readonly [SystemProgram, ...string[]];
  readonly #holder: ManagedProcess;

  private constructor(holder: ManagedProcess, subnet: string) {
    this.#holder = holder;
    this.hostAddress = `${subnet}.1`;
    this.prefix = ['nsenter', `--net=/proc/${holder.pid}/ns/net`];
  }

  static async open(dir: string): Promise<SideNetwork> {
    // Tells the networks of one process apart; the names of interfaces have 15 characters at most.
    const number = opened++ % maxNetworks;
    const holder = new ManagedProcess({
      name: 'network',
      command: 'unshare',
      args: ['--net', 'sleep', 'infinity'],
      logFile: join(dir, 'network.log'),
    });
    holder.start();
    const subnet = `10.${200 + number}.${process.pid % 256}`;
    const network = new SideNetwork(holder, subnet);
    try {
      await network.#connect(`cc${process.pid.toString(36)}n${number}`, subnet);
      return network;
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  async drop(direction: Direction): Promise<void> {
    await this.#inside('iptables', '--wait', '-A', chains[direction], '-j', 'DROP');
  }

  async heal(): Promise<void> {
    for (const chain of Object.values(chains)) await this.#inside('iptables', '--wait', '-F', chain);
  }

  async close(): Promise<void> {
    await this.#holder.kill();
  }

  async #connect(name: string, subnet: string): Promise<void> {
    const pid = String(this.#holder.pid);
    const own = await namespaceOf('self');
    await waitUntil('a network namespace', async () => (await namespaceOf(pid)) !== own, {
      timeoutMs: 10_000,
      intervalMs: 10,
      process: this.#holder,
    });
    const inner = `${name}i`;
    await run('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', inner]);
    await run('ip', ['link', 'set', inner, 'netns', pid]);
    await run('ip', ['address', 'add', `${subnet}.1/24`, 'dev', name]);
    await run('ip', ['link', 'set', name, 'up']);
    await this.#inside('ip', 'address', 'add', `${subnet}.2/24`, 'dev', inner);
    await this.#inside('ip', 'link', 'set', inner, 'up');
    await this.#inside('ip', 'link', 'set', 'lo', 'up');
  }

  async #inside(...command: readonly string[]): Promise<void> {
    const [first, ...rest] = this.prefix;
    await run(first, [...rest, ...command]);
  }
}

function namespaceOf(process: string): Promise<string> {
  return readlink(`/proc/${process}/ns/net`);
}
