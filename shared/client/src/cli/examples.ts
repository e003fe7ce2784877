/** What is typed most often, by verb: shown below the options of each. */
export const examples: Readonly<Record<string, readonly string[]>> = {
  run: [
    'capacloud run job.yaml',
    'capacloud run job.yaml > result.txt    # what a single task prints',
    'capacloud run job.yaml --set replicas=4 --logs',
    'capacloud wait $(capacloud run --detach job.yaml)',
  ],
  plan: [
    'capacloud plan job.yaml',
    'capacloud plan job.yaml --set resources.gpu=a100 && capacloud run job.yaml',
  ],
  validate: ['capacloud validate job.yaml', 'cat job.json | capacloud validate -'],
  ps: ['capacloud ps', 'capacloud ps --state running', 'capacloud cancel $(capacloud ps -q -n 1)'],
  status: [
    'capacloud status render            # the latest job of that name',
    'capacloud status render/3          # its task 3',
  ],
  why: ['capacloud why render', 'capacloud why render/3', 'capacloud why node_cd59'],
  logs: ['capacloud logs render', 'capacloud logs -f render/3', 'capacloud logs --attempt 1 render/3'],
  wait: ['capacloud wait render && capacloud get render'],
  cancel: ['capacloud cancel render', 'capacloud cancel job_k3v5'],
  get: ['capacloud get render results', 'capacloud get render/3'],
  login: [
    'capacloud login --url https://capacloud.example',
    'capacloud login --url https://capacloud.example < key.txt',
  ],
  balance: ['capacloud balance', 'capacloud balance -n 20'],
  nodes: ['capacloud nodes', 'capacloud nodes --json'],
  gpus: ['capacloud gpus'],
  prices: ['capacloud prices rtx-4090 --by hour'],
  completion: ['source <(capacloud completion bash)'],
};

export function examplesText(verb: string): string {
  const lines = examples[verb];
  return lines === undefined ? '' : `\nExamples:\n${lines.map((line) => `  ${line}\n`).join('')}`.trimEnd();
}
