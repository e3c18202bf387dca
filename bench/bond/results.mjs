/** Runs of several seeds -> one line a finding. */

const shown = (value, unit) => {
  if (value >= 1e9) return 'never';
  const figure = unit === '%' ? value * 100 : value;
  const digits = figure >= 100 ? 0 : figure < 1 ? 2 : 1;
  return `${Number(figure.toFixed(digits))}${unit ? ` ${unit}` : ''}`;
};

/**
 * @param {readonly {findings: readonly object[]}[]} runs what bond_sim prints, one a seed, of the same scenarios
 * @returns {object[]} findings: `value` and `figure` are the median, `worst` is the worst; `met`: by all of them
 */
export function mergeRuns(runs) {
  return runs[0].findings.map((first, index) => {
    const values = runs.map((run) => run.findings[index].value).sort((a, b) => a - b);
    const value = values[Math.floor(values.length / 2)];
    const worst = first.atLeast ? values[0] : values.at(-1);
    return {
      ...first,
      value,
      figure: shown(value, first.unit),
      worst: shown(worst, first.unit),
      met: runs.every((run) => run.findings[index].met),
    };
  });
}
