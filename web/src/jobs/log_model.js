// A job's log as its sections: a stage that comes again (after another attempt) is a section of its own.

const kColours = /\u001b\[[0-9;]*m/g; // what programs send to terminals

/** Lines by their number: what comes twice, as a resumed stream may send it, is taken once. */
export class LogModel {
  sections = []; // {stage, startedAt, lines}
  /** How many lines the sections have. */
  length = 0;
  #next = 0;

  get startedAt() {
    return this.sections[0]?.startedAt ?? null;
  }

  /** Answers the section that it went into; null when it is there already. */
  add(line) {
    if (line.number < this.#next) return null;
    this.#next = line.number + 1;
    const last = this.sections.at(-1);
    // Lines that are left out belong to whatever they stood in.
    const begins = !last || (!line.leftOut && last.stage !== line.stage);
    const section = begins ? this.#begin(line) : last;
    if (begins && line.output === section.stage) return section; // a stage announces itself, as its head does here
    section.lines.push({ ...line, output: line.output?.replace(kColours, "") ?? "", at: Date.parse(line.at) });
    ++this.length;
    return section;
  }

  #begin({ stage, at }) {
    const section = { stage: stage || "Log", startedAt: Date.parse(at), lines: [] };
    this.sections.push(section);
    return section;
  }
}

/**
 * How each section stands: `{status, tookMs}`. Only the last can be at work or have failed: a stage that failed is
 * followed by nothing but cleaning up.
 */
export function sectionStates(sections, job, now) {
  const failedAt = failedIndex(sections, job);
  return sections.map((section, index) => {
    const next = sections[index + 1];
    const isOpen = !next && !job?.endedAt;
    const end = next?.startedAt ?? (job?.endedAt ? Date.parse(job.endedAt) : now);
    return { status: statusOf(index, failedAt, isOpen, job), tookMs: Math.max(0, end - section.startedAt) };
  });
}

function statusOf(index, failedAt, isOpen, job) {
  if (isOpen) return job?.status === "pending" ? "waiting" : "running";
  if (index === failedAt) return job.status;
  return "completed";
}

const kCleaning = /^clean/i;

function failedIndex(sections, job) {
  if (job?.status !== "failed" && job?.status !== "cancelled") return -1;
  return sections.findLastIndex(({ stage }) => !kCleaning.test(stage));
}

/** "0:07.3", "12:05.0", "1:02:05": the time since the beginning, in as few letters as may be. */
export function offsetText(ms) {
  const seconds = Math.max(0, ms) / 1000;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  if (hours) return `${hours}:${two(minutes)}:${two(seconds % 60)}`;
  return `${minutes}:${two(seconds % 60)}.${Math.floor((seconds * 10) % 10)}`;
}
