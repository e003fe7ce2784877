#!/usr/bin/env node
// `npx capacloud-agent` in a checkout: the program from its sources, under the pinned Node.
process.argv.splice(2, 0, 'capacloud-agent');
await import('../with-toolchain.mjs');
