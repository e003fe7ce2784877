// The arrows of the house, once. The lint configuration is written from this table (`npm run format`), and the
// architecture tests read it, so that the rules cannot drift apart.

/** Of one package, some rooms may import the modules of one folder only. */
export interface Narrowing {
  readonly rooms: readonly string[];
  readonly package: string;
  readonly folder: string;
  readonly why: string;
}

export interface PackageRule {
  /** Folder of the package; it need not exist yet. */
  readonly folder: string;
  readonly name: string;
  /** Packages of this repository that it may depend on. */
  readonly internal: readonly string[];
  /** Every other package that may stand in `dependencies`; undefined where none is decided yet. */
  readonly external: readonly string[];
  /** `all`: no Node, clock, randomness or I/O anywhere. Else the rooms that are so. */
  readonly pure: 'all' | readonly string[];
  /** Rooms: folders below src that hold adapters, and never import one another. */
  readonly rooms: readonly string[];
  /** Folders below src that every room may import, and that import no room. */
  readonly shared: readonly string[];
  /** Rooms that see a part of a package alone. */
  readonly narrowed: readonly Narrowing[];
  /** Folders below src that put rooms together, as main.ts does: they see every room, and no room sees them. */
  readonly composers: readonly string[];
}

const protocol = '@capacloud/protocol';
const proofs = '@capacloud/proofs';
const transfer = '@capacloud/transfer';
const waiting = '@capacloud/waiting';

export const packageRules: readonly PackageRule[] = [
  {
    folder: 'shared/protocol',
    name: protocol,
    internal: [],
    external: ['@noble/hashes', 'typebox'],
    pure: 'all',
    rooms: [],
    shared: [],
    narrowed: [],
    composers: [],
  },
  {
    folder: 'shared/proofs',
    name: proofs,
    internal: [protocol],
    external: ['@noble/hashes', 'typebox'],
    pure: [],
    rooms: [],
    shared: [],
    narrowed: [],
    composers: [],
  },
  {
    folder: 'shared/waiting',
    name: waiting,
    internal: [],
    external: [],
    pure: [],
    rooms: [],
    shared: [],
    composers: [],
    narrowed: [],
  },
  {
    folder: 'shared/transfer',
    name: transfer,
    internal: [],
    external: [],
    pure: [],
    rooms: [],
    shared: [],
    narrowed: [],
    composers: [],
  },
  {
    folder: 'shared/client',
    name: '@capacloud/client',
    internal: [protocol, transfer, waiting],
    external: ['commander', 'tar-stream', 'typebox', 'yaml'],
    pure: [],
    rooms: [],
    shared: [],
    narrowed: [],
    composers: [],
  },
  {
    folder: 'shared/contracts',
    name: '@capacloud/contracts',
    internal: [protocol],
    external: ['ethers', 'typebox'],
    pure: [],
    rooms: [],
    shared: [],
    narrowed: [],
    composers: [],
  },
  {
    folder: 'shared/nvidia-smi-parser',
    name: 'nvidia-smi-parser',
    internal: [],
    external: ['fast-xml-parser'],
    pure: 'all',
    rooms: [],
    shared: [],
    narrowed: [],
    composers: [],
  },
  {
    folder: 'coordinator/core',
    name: '@capacloud/core',
    internal: [protocol],
    external: [],
    pure: 'all',
    rooms: [],
    shared: [],
    narrowed: [],
    composers: [],
  },
  {
    folder: 'coordinator/service',
    name: '@capacloud/coordinator',
    // The operator's own calls alone go through transfer: the service calls nobody.
    internal: [protocol, proofs, transfer, '@capacloud/core', '@capacloud/contracts'],
    external: [
      'better-sqlite3',
      'commander',
      'ethers',
      'fastify',
      'pino',
      'sodium-native',
      'typebox',
      'ws',
      'yaml',
    ],
    pure: [],
    rooms: [
      'log',
      'store',
      'questions',
      'gateway',
      'api',
      'artifacts',
      'settlement',
      'transparency',
      'telemetry',
    ],
    shared: ['ports', 'config'],
    narrowed: [
      {
        rooms: ['api', 'artifacts', 'gateway', 'transparency'],
        package: '@capacloud/core',
        folder: 'contract',
        why: 'What a room reads in the live state may not be on disk yet: ask a question (ports/questions.ts).',
      },
    ],
    composers: ['cli', 'simulate', 'testing'],
  },
  {
    folder: 'coordinator/dashboard',
    name: '@capacloud/dashboard',
    internal: [protocol, '@capacloud/client'],
    external: [],
    pure: [],
    rooms: [],
    shared: [],
    narrowed: [],
    composers: [],
  },
  {
    folder: 'agent',
    name: '@capacloud/agent',
    internal: [protocol, proofs, transfer, waiting, 'nvidia-smi-parser'],
    external: [
      'better-sqlite3',
      'commander',
      'dockerode',
      'ethers',
      'pino',
      'systeminformation',
      'tar-stream',
      'typebox',
      'ws',
      'yaml',
    ],
    pure: ['core'],
    rooms: ['hardware', 'attempt', 'prover', 'session', 'journal', 'host'],
    shared: ['core', 'transfer', 'engine', 'scratch', 'images', 'container', 'features'],
    narrowed: [],
    composers: ['composition'],
  },
];
