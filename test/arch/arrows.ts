// The arrows of the house, once: which packages and rooms there are, and what each may import. `broken-arrows.ts` checks
// it, types included; the lint configuration takes from it which code is pure.

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
  /** Every other package that may stand in `dependencies`. */
  readonly external: readonly string[];
  /** `all`: no Node, clock, randomness or I/O anywhere. Else the rooms that are so. */
  readonly pure: 'all' | readonly string[];
  /**
   * One line a room: what it may import besides itself and the packages above. A room is a folder or a file below src;
   * the longest name counts. `.` stands for the files at the top of src that have no line, `x/*` for each folder in x
   * as a room of its own, and `*` on the right for every room. Tests may import every room of their package.
   */
  readonly rooms: Readonly<Record<string, string>>;
  /** Rooms that see a part of a package alone. */
  readonly narrowed?: readonly Narrowing[];
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
    rooms: {
      '.': 'catalogue input',
      capacity: '. input',
      catalogue: 'capacity',
      input: '. capacity job',
      job: '. capacity input log wire',
      log: '.',
      routes: '. capacity catalogue input job wire',
      wire: '. capacity catalogue input job log',
    },
  },
  {
    folder: 'shared/proofs',
    name: proofs,
    internal: [protocol],
    external: ['@noble/hashes', 'typebox'],
    pure: [],
    rooms: { '.': '' },
  },
  {
    folder: 'shared/waiting',
    name: waiting,
    internal: [],
    external: [],
    pure: [],
    rooms: { '.': '' },
  },
  {
    folder: 'shared/transfer',
    name: transfer,
    internal: [],
    external: [],
    pure: [],
    rooms: { '.': '' },
  },
  {
    folder: 'shared/client',
    name: '@capacloud/client',
    internal: [protocol, transfer, waiting],
    external: ['commander', 'string-width', 'tar-stream', 'typebox', 'yaml'],
    pure: [],
    rooms: {
      '.': '',
      cli: '.',
      testing: '*',
    },
  },
  {
    folder: 'shared/contracts',
    name: '@capacloud/contracts',
    internal: [protocol],
    external: ['ethers', 'typebox'],
    pure: [],
    rooms: { '.': '' },
  },
  {
    folder: 'shared/nvidia-smi-parser',
    name: 'nvidia-smi-parser',
    internal: [],
    external: ['fast-xml-parser'],
    pure: 'all',
    rooms: { '.': '' },
  },
  {
    folder: 'coordinator/core',
    name: '@capacloud/core',
    internal: [protocol],
    external: [],
    pure: 'all',
    rooms: {
      contract: '',
      codec: 'contract',
      '.': 'contract slices',
      slices: '. codec contract',
      scheduler: '. contract slices',
      explain: '. contract slices scheduler',
      'invariants.ts': '. slices',
      'state-capture.ts': '. codec contract slices',
      'snapshot.ts': '. codec slices state-capture.ts',
      'machine.ts': '*',
      testing: '*',
    },
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
      'string-width',
      'typebox',
      'ws',
      'yaml',
    ],
    pure: [],
    rooms: {
      ports: '',
      '.': 'ports',
      config: '.',
      api: '. ports',
      artifacts: '. ports',
      gateway: '. ports',
      log: '. ports',
      questions: '. ports',
      store: '. ports',
      transparency: '. ports',
      simulate: '. api config',
      'engine.ts': '*',
      'rooms.ts': '*',
      'coordinator.ts': '*',
      cli: '*',
      'main.ts': 'cli',
      testing: '*',
    },
    narrowed: [
      {
        rooms: ['api', 'artifacts', 'gateway', 'transparency'],
        package: '@capacloud/core',
        folder: 'contract',
        why: 'What a room reads in the live state may not be on disk yet: ask a question (ports/questions.ts).',
      },
    ],
  },
  {
    folder: 'coordinator/dashboard',
    name: '@capacloud/dashboard',
    internal: [protocol, '@capacloud/client'],
    external: [],
    pure: [],
    rooms: { '.': '' },
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
    rooms: {
      core: '',
      transfer: 'core',
      engine: 'core',
      scratch: 'core engine',
      images: 'core engine',
      features: 'core engine scratch transfer features/*',
      'features/*': 'core engine scratch transfer features',
      container: 'core engine scratch images features features/*',
      attempt: 'core transfer features features/*',
      hardware: '',
      host: 'core',
      journal: 'core',
      session: 'core',
      composition: '*',
      'main.ts': '*',
    },
  },
];

/** Folders that may import their own files only, for they check all others: what they shared they could not find wrong. */
export const independentFolders: readonly string[] = ['test/sim/auditor'];
