import { XMLParser } from 'fast-xml-parser';
import type { Element } from './element.ts';
import type { Failure, FailureCode } from './report.ts';

/** Sixteen GPUs with every supported clock print about 1 MiB. */
const maxInputBytes = 8 * 1024 * 1024;
/** Small elements cost far more memory than their text; a GPU has up to 5,000 tags. */
const maxTags = 200_000;
/** Only a GPU's has an attribute; many attributes cost the library more than linear time. */
const longTag = /<[^<>]{1024}/;
const maxDepth = 32;
const maxQuotedLength = 200;

const runAgain = 'Run nvidia-smi -q -x again, and pass its standard output as it is.';

const opening = /<nvidia_smi_log[\s>]/;
const closing = '</nvidia_smi_log>';

export function refuse(code: FailureCode, message: string, hint: string): Failure {
  return { ok: false, code, message, hint };
}

// No entity is expanded, no value guessed: every text stays the text that was printed.
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@_',
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: maxDepth,
  jPath: false,
});

function exceedsBytes(text: string, limit: number): boolean {
  if (text.length > limit) return true;
  if (text.length * 3 <= limit) return false;
  let size = 0;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    // Each half of a surrogate pair is two of its four bytes.
    size += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
  }
  return size > limit;
}

function exceedsTags(text: string): boolean {
  let count = 0;
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at + 1)) {
    count += 1;
    if (count > maxTags) return true;
  }
  return false;
}

const processOpening = '<process_name>';
const processClosing = '</process_name>';

/**
 * nvidia-smi prints process names and command lines as they are, so `<defunct>` or `a && b` in one would
 * break the whole report. One pass: a name without an end stops the search.
 */
function escapeProcessNames(xml: string): string {
  const parts: string[] = [];
  let done = 0;
  for (;;) {
    const start = xml.indexOf(processOpening, done);
    if (start === -1) break;
    const from = start + processOpening.length;
    const to = xml.indexOf(processClosing, from);
    if (to === -1) break;
    parts.push(xml.slice(done, from), xml.slice(from, to).replaceAll('<', '&lt;').replaceAll('>', '&gt;'));
    done = to;
  }
  parts.push(xml.slice(done));
  return parts.join('');
}

function escapeBareAmpersands(xml: string): string {
  return xml.replace(/&(?!(?:amp|lt|gt|quot|apos);)/g, '&amp;');
}

interface Statement {
  readonly pattern: RegExp;
  readonly code: FailureCode;
  readonly message: string;
  readonly hint: string;
}

/** What nvidia-smi says instead of XML. */
const statements: readonly Statement[] = [
  {
    pattern: /no devices (?:were |was )?found/i,
    code: 'NO_DEVICES',
    message: 'nvidia-smi found no GPU',
    hint: 'The driver runs but sees no GPU: check lspci, and which devices a container was given.',
  },
  {
    pattern: /gpu is lost|fallen off the bus|unable to determine the device handle/i,
    code: 'GPU_LOST',
    message: 'A GPU is lost',
    hint: 'Restart the machine, and look for Xid messages in dmesg.',
  },
  {
    pattern: /version mismatch/i,
    code: 'DRIVER_MISMATCH',
    message: 'The driver does not match its library',
    hint: 'The kernel module is older or newer than the library: reload it or restart the machine.',
  },
  {
    pattern: /failed to initialize nvml|communicate with the nvidia driver|nvidia-smi has failed/i,
    code: 'DRIVER_UNAVAILABLE',
    message: 'The driver does not answer',
    hint: 'Check that the NVIDIA kernel module is loaded and that its devices are visible here.',
  },
];

/** A declaration, perhaps a DOCTYPE, and at most the start of the next tag. */
const cutHead = /<\?xml[^<]*(?:<!DOCTYPE[^<]*)?(?:<!?\w*)?$|<!DOCTYPE\s+nvidia_smi_log[^<]*(?:<\w*)?$/i;

function refuseText(text: string): Failure {
  for (const { pattern, code, message, hint } of statements) {
    const at = text.search(pattern);
    if (at === -1) continue;
    const said = text.slice(text.lastIndexOf('\n', at) + 1, at + maxQuotedLength).split('\n', 1)[0] ?? '';
    return refuse(code, `${message}: ${said.slice(0, maxQuotedLength).trim()}`, hint);
  }
  if (cutHead.test(text.slice(-4096))) {
    const hint = 'The output was cut: read until nvidia-smi has ended.';
    return refuse('TRUNCATED_XML', 'The XML ends before its root element.', hint);
  }
  const hint = 'Give the whole standard output of `nvidia-smi -q -x`.';
  return refuse('NOT_NVIDIA_SMI', 'There is no nvidia_smi_log element in the text.', hint);
}

function refuseUnsafe(what: string): Failure {
  return refuse(
    'UNSAFE_XML',
    `The XML has ${what}.`,
    'nvidia-smi never prints this: find out where the text is from.',
  );
}

export interface SmiDocument {
  readonly ok: true;
  readonly root: Element;
  /** The text before the root element: log lines, declaration, DOCTYPE. */
  readonly before: string;
  readonly after: string;
}

/** Finds the first report in the text and parses it. Memory is bounded by the limits on bytes, tags and depth. */
export function parseDocument(input: string): SmiDocument | Failure {
  if (exceedsBytes(input, maxInputBytes)) {
    const hint = 'One report of a large machine is about 1 MiB: pass one report at a time.';
    return refuse('INPUT_TOO_LARGE', `The text is larger than ${maxInputBytes} bytes.`, hint);
  }
  if (input.trim() === '') {
    return refuse(
      'EMPTY_INPUT',
      'The text is empty.',
      'nvidia-smi printed nothing: look at its exit status.',
    );
  }
  const start = input.search(opening);
  const before = start === -1 ? input : input.slice(0, start);
  if (/<!ENTITY|<!DOCTYPE[^<>[]*\[/i.test(before)) return refuseUnsafe('entity declarations');
  if (start === -1) return refuseText(input);
  const end = input.indexOf(closing, start);
  if (end === -1) {
    const hint = 'The output was cut: read until nvidia-smi has ended, and allow at least 8 MiB.';
    return refuse('TRUNCATED_XML', 'The nvidia_smi_log element has no end.', hint);
  }
  const body = input.slice(start, end + closing.length);
  if (/<!(?:ENTITY|DOCTYPE)/i.test(body)) return refuseUnsafe('declarations inside the report');
  if (exceedsTags(body)) {
    const hint = 'A report has thousands of tags, not hundreds of thousands.';
    return refuse('INPUT_TOO_LARGE', `The XML has more than ${maxTags} tags.`, hint);
  }
  const parsed = parseBody(body);
  return parsed.ok ? { ...parsed, before, after: input.slice(end + closing.length) } : parsed;
}

function parseBody(body: string): { readonly ok: true; readonly root: Element } | Failure {
  const xml = escapeBareAmpersands(escapeProcessNames(body));
  if (longTag.test(xml)) {
    return refuse('MALFORMED_XML', 'The XML has a tag of more than 1024 characters.', runAgain);
  }
  try {
    return { ok: true, root: parser.parse(xml, true) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (message.startsWith('[SECURITY]')) return refuseUnsafe('a tag with a reserved name');
    return refuse('MALFORMED_XML', `The XML is broken: ${message.slice(0, maxQuotedLength)}`, runAgain);
  }
}
