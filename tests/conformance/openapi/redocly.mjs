// Redocly's linter with its recommended rules: node redocly.mjs DOCUMENT. Exits with 1 for every error or warning.
import { createConfig, formatProblems, getTotals, lint } from "@redocly/openapi-core";

const config = await createConfig({ extends: ["recommended"] });
const problems = await lint({ ref: process.argv[2], config });
const totals = getTotals(problems);
formatProblems(problems, { format: "codeframe", totals, version: "" });
process.exitCode = totals.errors + totals.warnings > 0 ? 1 : 0;
