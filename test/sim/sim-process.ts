import './install.ts';
import type { SimAnswer, SimQuestion } from './run/messages.ts';

// Static imports are linked before anything runs, so the product may come only now, after the substitutes.
const { runSeed, shrinkSeed } = await import('./run/run-seed.ts');
const { checkJournal } = await import('./run/check-journal.ts');

process.on('message', (question: SimQuestion) => {
  void answer(question).then((reply) => process.send?.(reply));
});

async function answer(question: SimQuestion): Promise<SimAnswer> {
  switch (question.kind) {
    case 'run':
      return { kind: 'ran', ...(await runSeed(question)) };
    case 'check journal': {
      const broken = await checkJournal(question.rule, question.journal === 'lying');
      return { kind: 'checked', ...(broken === undefined ? {} : { broken }) };
    }
    case 'shrink':
      return { kind: 'shrunk', ...(await shrinkSeed(question)) };
  }
}

process.send?.({ kind: 'ready' } satisfies SimAnswer);
