export function ensureStarts(node: string, fail: (message: string, hint: string) => never): void;
