import { normaliseModel } from '../capacity/resources.ts';
import { nearest } from '../input/nearest.ts';
import { deviceClasses, deviceClassOf } from './device-classes.ts';

const words = (text: string, prefix = ''): readonly string[] =>
  text.split(' ').map((word) => `${prefix}${word}`);

/** Cards that are sold and that no class stands for, normalised: a job may name them, and one with another name is mistyped. */
const otherCards: readonly string[] = [
  ...words(
    '5060 5060-ti 5050 5090-d 4090-d 4080-super 4070-super 4070-ti-super 4070 4060 4060-ti 4050',
    'rtx-',
  ),
  ...words('3070-ti 3060-ti 3050 3050-ti 2080 2080-super 2070 2070-super 2060 2060-super', 'rtx-'),
  ...words(
    'pro-5000 pro-4500 pro-4000 pro-2000 5880-ada 5000-ada 4500-ada 4000-ada 4000-sff-ada 2000-ada',
    'rtx-',
  ),
  ...words('a5500 a4500 a2000 a1000 a400', 'rtx-'),
  ...words(
    '1660 1660-ti 1660-super 1650 1650-super 1650-ti 1080 1080-ti 1070 1070-ti 1060 1050 1050-ti',
    'gtx-',
  ),
  ...words('rtx-8000 rtx-6000 rtx-5000 rtx-4000 p6000 p5000 p4000 p2000', 'quadro-'),
  ...words('titan-rtx titan-v titan-xp titan-x b100 a16 a2 l2 a100x a30x t4g p4 m60 m40 k80 k40'),
  ...words('p4 p6 m60 m40 m10 k80 k40', 'tesla-'),
  ...words('mi350x mi300a mi250 mi100 mi60 mi50', 'instinct-'),
  ...words('mi350x mi300a mi250 mi100 mi60 mi50'),
  ...words('9070-xt 9070 7900-xt 7900-gre 7800-xt 7700-xt 7600-xt 7600 6950-xt 6900-xt 6800-xt 6800', 'rx-'),
  ...words('w7900 w7800 w6800 v710 v620', 'pro-'),
  ...words('arc-b580 arc-b570 arc-a750 arc-a580 arc-a380 data-center-gpu-max-1100 data-center-gpu-flex-170'),
  ...words('orin jetson-agx-orin jetson-orin-nx jetson-thor thor xavier'),
];

const classNames = deviceClasses.flatMap(({ id, aliases }) => [id, ...aliases]);
const knownModels: ReadonlySet<string> = new Set([
  ...classNames,
  ...deviceClasses.flatMap(({ models }) => models),
  ...otherCards,
]);
/** A request by the beginning of a model takes all of them: a100 takes a100-sxm4-80gb. */
const beginnings: ReadonlySet<string> = new Set(
  [...knownModels].flatMap((model) =>
    [...model.matchAll(/-/g)].map(({ index }) => model.slice(0, index)).filter((text) => /[0-9]/.test(text)),
  ),
);
/** What makers put behind a model: laptop-gpu, max-q, sxm4-80gb, generation, mig-1g-10gb. */
const suffix =
  /^(?:laptop|gpu|max|q|with|design|super|mobile|sxm[0-9]?|pcie|nvl|hbm[0-9]e?|ada|generation|blackwell|workstation|server|edition|mig|vgpu|sff|tensor|core|[0-9]{1,3}gb?|[0-9]{1,3}c?g|[0-9])$/;

function isKnown(name: string): boolean {
  const model = normaliseModel(name);
  if (deviceClassOf(name) !== undefined || knownModels.has(model) || beginnings.has(model)) return true;
  const parts = model.split('-');
  for (let length = parts.length - 1; length > 0 && suffix.test(parts[length] ?? ''); length--) {
    const base = parts.slice(0, length).join('-');
    if (knownModels.has(base) || beginnings.has(base)) return true;
  }
  return false;
}

/** As drivers print them: the maker before the model. Whatever follows is taken as a model that somebody has. */
const withMaker = /^\s*(?:nvidia|amd|intel)\s+\S/i;
const lists = '`capacloud gpus` lists the names';
const example = 'must name a model, for example rtx-4090';

/** Why a name is that of no GPU, to be read after a pointer; undefined for one that may be. */
export function gpuFault(name: string): string | undefined {
  const word = name.trim().toLowerCase();
  const wish = wishFault(word) ?? otherNotation(word);
  if (wish !== undefined) return wish;
  if (normaliseModel(name) === '') return example;
  if (isKnown(name)) return undefined;
  const model = normaliseModel(name);
  // With its maker before it, a name is mistyped only where it has the letters of another: makers sell no two such models.
  const isLikely = withMaker.test(name) && /[0-9]/.test(name) && !byLetters.has(lettersOf(model));
  if (isLikely) return undefined;
  const guess = nearestModel(model);
  const meant = guess === undefined ? '' : `did you mean ${guess}? `;
  return `is the name of no GPU that is known: ${meant}${lists}; a model that is not among them is named with its maker, as nvidia-smi prints it, for example NVIDIA RTX 5000 Ada Generation`;
}

const allNames = [...classNames, ...otherCards];

function lettersOf(name: string): string {
  return name.replaceAll('-', '').split('').sort().join('');
}

/** The first name that has these letters. */
const byLetters: ReadonlyMap<string, string> = new Map(
  allNames.map((name) => [lettersOf(name), name] as const).reverse(),
);

/** Classes first: those are what people ask for. Letters and digits that changed places count as one slip. */
function nearestModel(model: string): string | undefined {
  const guess =
    byLetters.get(lettersOf(model)) ??
    allNames.find((name) => name.endsWith(`-${model}`)) ??
    nearest(model, allNames);
  return guess === undefined ? undefined : (deviceClassOf(guess)?.id ?? guess);
}

const wishes: Readonly<Record<string, string>> = {
  all: 'must say how many GPUs each task needs, because nodes have different numbers of them: write 1, or for example rtx-4090:2',
  any: 'must say how many GPUs each task needs: write 1 for one of any model',
  none: 'must be 0, or be left out, for a job without GPUs',
};

function wishFault(word: string): string | undefined {
  if (/^(all|max|-1|device=.*)$/.test(word)) return wishes['all'];
  if (/^(any|auto|yes|true|on|gpu|nvidia\.com\/gpu)$/.test(word)) return wishes['any'];
  return /^(none|no|false|off|cpu)$/.test(word) ? wishes['none'] : undefined;
}

/** Counts, memory, parts and alternatives, as other languages put them into a name. */
function otherNotation(word: string): string | undefined {
  const [, before, first, last, after] =
    /^([0-9]{1,3})\s*[x*×]\s*(\S.*)$|^(.*[^\s*×])\s*[x*×:]\s*([0-9]{1,3})$/.exec(word) ?? [];
  const model = first ?? last ?? '';
  if (isKnown(model)) return `holds a count: write ${model}:${before ?? after}, or count beside model`;
  const memory = /^[<>=~]*\s*([0-9]{1,4})\s*g(?:b|i|ib)?(?:\s+(?:vram|memory))?$/.exec(word)?.[1];
  if (memory !== undefined) return `is a size, not a model: write { vram: ${memory}Gi }`;
  const [, percent, part] = /^(?:([0-9]{1,2})\s*%|0?(\.[0-9]{1,3}))$/.exec(word) ?? [];
  const share = percent === undefined ? part && `0${part}` : Number(percent) / 100;
  if (share !== undefined) return `is a part of a GPU, not a model: write { share: ${share} }`;
  const models = word.split(/\s*[,|/]\s*|\s+or\s+/);
  return models.length > 1 && models.every(isKnown)
    ? `names several models: write a list, [${models.join(', ')}]`
    : undefined;
}

/** For values that are neither a count nor a name. */
export function gpuHint(value: unknown): string | undefined {
  if (value === true) return 'write 1 for one GPU of any model';
  if (value === false) return 'write 0, or leave it out';
  if (typeof value !== 'number') return undefined;
  if (value === -1) return 'write the number that each task needs';
  if (value > 0 && value < 1) return `write { share: ${value} } for a part of one GPU`;
  const known = deviceClassOf(String(value));
  return known === undefined ? undefined : `write ${known.id} if that is the model`;
}
