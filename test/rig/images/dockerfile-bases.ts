/** A tag for people, and the digest that decides. */
const pinned = /^[a-z0-9][a-z0-9._/:-]*:[\w][\w.-]*@sha256:[0-9a-f]{64}$/;

/**
 * The images that a Dockerfile starts from besides its own stages, each once. An `ARG` before the first stage is read by its
 * default, because that is what a plain `docker build` takes.
 */
export function basesOf(dockerfile: string): readonly string[] {
  const defaults = new Map<string, string>();
  const stages = new Set<string>();
  const bases = new Set<string>();
  for (const line of dockerfile.replaceAll(/\\\n/g, ' ').split('\n')) {
    const [, name, value = ''] = /^\s*ARG\s+(\w+)(?:=(\S*))?\s*$/i.exec(line) ?? [];
    if (name !== undefined && stages.size === 0 && bases.size === 0) defaults.set(name, value);
    const [, written, stage] = /^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/i.exec(line) ?? [];
    const copied = /^\s*(?:COPY|ADD)\s+(?:--\S+\s+)*--from=(\S+)/i.exec(line)?.[1];
    const base = (written ?? copied)?.replaceAll(
      /\$(?:\{(\w+)\}|(\w+))/g,
      (_, braced: string | undefined, bare: string | undefined) => defaults.get(braced ?? bare ?? '') ?? '',
    );
    if (base !== undefined && base !== 'scratch' && !stages.has(base.toLowerCase())) bases.add(base);
    if (stage !== undefined) stages.add(stage.toLowerCase());
  }
  return [...bases];
}

/** Whether the bytes behind a reference can never change. */
export function isPinned(base: string): boolean {
  return pinned.test(base);
}
