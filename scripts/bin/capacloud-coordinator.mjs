#!/usr/bin/env node
// `npx capacloud-coordinator` in a checkout: the program from its sources, under the pinned Node.
process.argv.splice(2, 0, 'capacloud-coordinator');
await import('../with-toolchain.mjs');
