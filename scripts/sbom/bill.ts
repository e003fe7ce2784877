import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireCommand } from '@capacloud/rig/programs/command';
import { thisNode } from '@capacloud/rig/programs/programs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What we release, by folder. */
export const released = ['agent', 'coordinator/service', 'shared/client'] as const;
export type Released = (typeof released)[number];

interface Hash {
  readonly alg: string;
  readonly content: string;
}
interface Reference {
  readonly type: string;
  readonly url: string;
  readonly hashes?: readonly Hash[];
}
interface Component {
  readonly name: string;
  readonly group?: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?: readonly unknown[];
  readonly hashes?: readonly Hash[];
  readonly externalReferences?: readonly Reference[];
}
/** The part of a CycloneDX bill that is read here. */
export interface Bill {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

/** Writes the bill of materials of one package (CycloneDX 1.6, as pnpm makes it of the lockfile) and returns it. */
export async function writeBill(folder: Released, target: string, signal: AbortSignal): Promise<Bill> {
  await mkdir(dirname(target), { recursive: true });
  const pnpm = [thisNode, join(root, 'scripts/with-toolchain.mjs'), 'pnpm'] as const;
  const form = ['--sbom-format', 'cyclonedx', '--sbom-spec-version', '1.6', '--sbom-type', 'application'];
  await requireCommand({
    argv: [...pnpm, '--filter', `./${folder}`, 'sbom', ...form, '--prod', '--out', target],
    hint: 'run `node scripts/with-toolchain.mjs pnpm install` first',
    signal,
  });
  const made = JSON.parse(await readFile(target, 'utf8')) as Bill;
  const bill = { ...made, components: await Promise.all(made.components.map(completed)) };
  await writeFile(target, `${JSON.stringify(bill, null, 2)}\n`);
  return bill;
}

/**
 * The hash stands at the component itself, for readers that look nowhere else, and no address of a registry is kept. A licence
 * that a package names in the old way, as a list, is read here, because pnpm does not.
 */
async function completed({ externalReferences = [], ...component }: Component): Promise<Component> {
  const hashes = externalReferences.flatMap((reference) => reference.hashes ?? []);
  const others = externalReferences.filter(({ type }) => type !== 'distribution');
  const licenses = component.licenses ?? (await oldLicenses(component));
  return {
    ...component,
    ...(hashes.length === 0 ? {} : { hashes }),
    ...(licenses.length === 0 ? {} : { licenses }),
    ...(others.length === 0 ? {} : { externalReferences: others }),
  };
}

async function oldLicenses({ group, name, version }: Component): Promise<readonly unknown[]> {
  const full = group === undefined ? name : `${group}/${name}`;
  const folder = join('node_modules/.pnpm', `${full.replaceAll('/', '+')}@${version}`, 'node_modules', full);
  const text = await readFile(join(root, folder, 'package.json'), 'utf8').catch(() => '{}');
  const { licenses = [] } = JSON.parse(text) as { licenses?: readonly { readonly type: string }[] };
  return licenses.map(({ type }) => ({ license: { id: type } }));
}
