const kinds: readonly (readonly [form: RegExp, what: string])[] = [
  [/^#!.*\b(?:ba|z|da|k)?sh\b/, 'a shell script'],
  [/^#!/, 'a script'],
  [/^<(?:!doctype html|html|head|body)/i, 'a web page'],
  [/^<[?!]?[a-z]/i, 'XML'],
  [/^(?:FROM|ARG)\s+\S/, 'a Dockerfile'],
  [/^(?:import|from\s+\S+\s+import|def|class)\s+[A-Za-z_]/, 'a Python program'],
  [/^\[+[\w. -]+\]+$/, 'a file in TOML or INI'],
  [/^(?:export\s+)?[A-Za-z_][\w.-]*\s*=\s*\S/, 'a file of NAME=value lines, such as TOML'],
  [/^(?:\/\/|\/\*)/, 'JSON with comments, which begin with # in a job file'],
];

/** What a text is instead that is no map of fields, by its first line; undefined where that cannot be told. */
export function lookalike(text: string): string | undefined {
  const first = /\S.*/.exec(text)?.[0].trimEnd() ?? '';
  if (/^```/m.test(text)) return 'a text in Markdown';
  return kinds.find(([form]) => form.test(first))?.[1];
}
