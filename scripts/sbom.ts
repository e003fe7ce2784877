// Writes a bill of materials (CycloneDX) of each released package below .cache/sbom.
//
//   npm run sbom
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { released, writeBill } from './sbom/bill.ts';

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), '.cache', 'sbom');
const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interruption.abort());
for (const name of released) {
  const target = join(folder, `${name.replaceAll('/', '-')}.cdx.json`);
  const { components } = await writeBill(name, target, interruption.signal);
  process.stdout.write(`${target}: ${components.length} components\n`);
}
