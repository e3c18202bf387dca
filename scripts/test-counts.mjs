// Reads JSON reports of vitest or GoogleTest; prints failed tests, skips with their reasons, and on the last line
// three numbers: passed, failed, skipped. Status 1 if a report cannot be read.
//   node scripts/test-counts.mjs REPORT...
import { readFileSync } from 'node:fs';

const counts = { passed: 0, failed: 0, skipped: 0 };

function add(outcome, name, reason) {
  counts[outcome]++;
  if (outcome === 'failed') console.log(`failed: ${name}`);
  if (outcome === 'skipped') console.log(`skipped: ${name}: ${reason}`);
}

function vitestOutcome(status) {
  return status === 'passed' || status === 'failed' ? status : 'skipped';
}

function countVitest(report) {
  for (const file of report.testResults) {
    // A file that throws while it loads has no tests to blame.
    if (file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed')) {
      add('failed', `${file.name}: ${file.message}`);
    }
    for (const test of file.assertionResults) {
      add(vitestOutcome(test.status), test.fullName, test.meta.skipReason ?? 'no reason given');
    }
  }
}

function countGoogleTest(report) {
  for (const suite of report.testsuites) {
    for (const test of suite.testsuite) {
      const name = `${suite.name}.${test.name}`;
      if (test.status === 'NOTRUN') add('skipped', name, 'disabled, or not selected');
      else if (test.result === 'SKIPPED') add('skipped', name, skipMessage(test));
      else add(test.failures ? 'failed' : 'passed', name);
    }
  }
}

// GoogleTest before 1.13 says it in its output only.
function skipMessage(test) {
  return test.skipped?.[0]?.message?.split('\n').at(-1) ?? 'see above';
}

for (const path of process.argv.slice(2)) {
  const report = JSON.parse(readFileSync(path, 'utf8'));
  if (report.testResults) countVitest(report);
  else countGoogleTest(report);
}
console.log(`${counts.passed} ${counts.failed} ${counts.skipped}`);
