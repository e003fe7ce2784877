// Asks the coordinator in the same container whether it is alive. Plain JavaScript: the image holds no tools.
const [, port = '8080'] = /:(\d+)$/.exec(process.env.CAPACLOUD_LISTEN ?? '') ?? [];
try {
  const response = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(4000) });
  process.exitCode = response.ok ? 0 : 1;
  if (!response.ok) process.stderr.write(`unhealthy: status ${response.status}\n`);
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`unhealthy: ${error instanceof Error ? error.message : String(error)}\n`);
}
