// What a run's journal says about its steps: which stretch of time was an attempt and which a wait, what belongs to a
// fan-out, and the story in lines of text. Nothing is drawn here.

const kWaits = new Set(["sleep", "poll", "signal", "child"]); // kinds of steps that are one long wait
const kEnds = new Set(["step_completed", "step_failed", "step_cancelled"]);
const kUndone = new Set(["compensation_failing", "compensation_completed", "compensation_failed"]);

const time = (iso) => Date.parse(iso);

/** The events of each step, by its name, in order. */
export function eventsByStep(events) {
  const steps = new Map();
  for (const event of events) {
    if (!event.step) continue;
    if (!steps.has(event.step)) steps.set(event.step, []);
    steps.get(event.step).push(event);
  }
  return steps;
}

/**
 * What a step did over time: `[{kind, from, to, attempt, error, open}]` with kind `attempt`, `wait` or `undo`, times in ms;
 * `error` of an attempt that failed, `open` of what is still under way at `now`. Events that only inform may be missing:
 * then the step's own times are one attempt.
 */
export function segmentsOf(step, events, now) {
  if (!step.startedAt) return [];
  const whole = {
    from: time(step.startedAt),
    to: step.completedAt ? time(step.completedAt) : now,
    open: !step.completedAt,
  };
  const own = events ?? [];
  if (kWaits.has(step.kind)) return [{ kind: "wait", attempt: 1, error: null, ...whole }, ...undoSegments(own)];
  const segments = [];
  let current = { kind: "attempt", from: whole.from, attempt: 1, error: null };
  const close = (at, error = null) => {
    segments.push({ ...current, to: Math.max(at, current.from), error, open: false });
  };
  for (const { type, at, data } of own) {
    if (type === "step_started" && current.kind === "wait") {
      close(time(at));
      current = { kind: "attempt", from: time(at), attempt: segments.filter(isAttempt).length + 1, error: null };
    } else if (type === "attempt_failed") {
      if (current.kind === "wait") {
        // The beginning of this attempt was not told: it began when it was due.
        const due = Math.min(current.until ?? time(at), time(at));
        close(due);
        current = { kind: "attempt", from: due, attempt: data.attempt, error: null };
      }
      close(time(at), data.error ?? null);
      current = { kind: "wait", from: time(at), until: data.retryAt ? time(data.retryAt) : null, error: null };
    } else if (kEnds.has(type)) {
      close(time(at), data.error ?? null);
      current = null;
      break;
    }
  }
  if (current) segments.push({ ...current, to: Math.max(whole.to, current.from), open: whole.open });
  return [...segments, ...undoSegments(own)];
}

const isAttempt = ({ kind }) => kind === "attempt";

// When undoing began is not told: it follows upon what was told before, which is how it was.
function undoSegments(events) {
  return events
    .filter(({ type }) => kUndone.has(type))
    .map((event, index) => ({
      kind: "undo",
      from: event.previousAt ?? time(event.at),
      to: time(event.at),
      attempt: index + 1,
      error: event.data?.error ?? null,
      open: false,
    }));
}

/** The journal with what `segmentsOf` needs: each event knows when the one before it was. */
export function withPrevious(events) {
  return events.map((event, index) => ({ ...event, previousAt: index ? time(events[index - 1].at) : null }));
}

/** Steps with their items under them: `[{step, items: [{step, items}]}]`. An item of the fan-out `each` is `each[3]`. */
export function nest(steps) {
  const fanOuts = new Map();
  const tops = [];
  for (const step of steps) {
    const node = { step, items: [] };
    const parent = fanOuts.get(parentName(step.name, fanOuts));
    (parent ? parent.items : tops).push(node);
    if (step.kind === "fan_out" || step.items !== undefined) fanOuts.set(step.name, node);
  }
  return tops;
}

// `a[1].b` and `a[1]` belong to `a`; inside of a fan-out in a fan-out, to the innermost.
function parentName(name, fanOuts) {
  for (let end = name.lastIndexOf("["); end > 0; end = name.lastIndexOf("[", end - 1)) {
    const candidate = name.slice(0, end);
    if (fanOuts.has(candidate)) return candidate;
  }
  return null;
}

/** The names of steps that were done again, as `name#2` and so on: that they failed was not the end of it. */
export function doneAgain(steps) {
  const names = new Set(steps.map(({ name }) => name));
  const next = (name) => {
    const [, base, count = "1"] = /^(.*?)(?:#(\d+))?$/s.exec(name);
    return `${base}#${Number(count) + 1}`;
  };
  return new Set([...names].filter((name) => names.has(next(name))));
}

/** From when to when the timeline goes, in ms. */
export function spanOf(run, now) {
  const steps = run.steps ?? [];
  const starts = [run.startedAt, ...steps.map((step) => step.startedAt)].filter(Boolean).map(time);
  const ends = [run.completedAt, ...steps.map((step) => step.completedAt)].filter(Boolean).map(time);
  const from = starts.length ? Math.min(...starts) : now;
  const to = run.completedAt ? Math.max(...ends) : Math.max(now, ...ends);
  return { from, to: Math.max(to, from + 1) };
}

const errorText = (error) => (error ? `${error.code}: ${error.message}` : "no reason was told");
const value = (data) => (typeof data === "string" ? data : JSON.stringify(data));

// What each type of event says: [tone, text]; null says nothing to people.
const kStories = {
  run_started: ({ data }) => [
    "plain",
    data.retryOf ? `Begins, as a retry of ${data.retryOf}` : data.queue ? `Waits in the queue ${data.queue}` : "Begins",
  ],
  run_admitted: ({ data }) => ["plain", `Its turn has come in the queue ${data.queue}`],
  step_started: ({ data }) => [
    "quiet",
    kWaits.has(data.kind) ? "Waits" : data.items ? `Begins, on ${data.items} items` : "Begins",
  ],
  attempt_failed: ({ data }) => ["wait", `Attempt ${data.attempt} failed: ${errorText(data.error)}`],
  step_heartbeat: ({ data }) => ["plain", value(data.detail)],
  step_completed: ({ data }) => ["good", data.attempts > 1 ? `Done, at attempt ${data.attempts}` : "Done"],
  step_failed: ({ data }) => ["bad", `Failed: ${errorText(data.error)}`],
  step_cancelled: () => ["idle", "Cancelled"],
  value_recorded: () => null,
  signal_received: ({ data }) => ["plain", `Signal ${data.name}${data.sender ? ` from ${data.sender}` : ""}`],
  child_started: ({ data }) => ["plain", `Starts ${data.workflow} as ${data.child}`],
  cancel_requested: ({ data }) => ["wait", `Cancel asked for${data.by ? ` by ${data.by}` : ""}`],
  run_timed_out: () => ["bad", "Its time is over"],
  run_continued: ({ data }) => ["plain", `Begins its journal again, for the ${data.generation}. time`],
  compensation_failing: ({ data }) => ["wait", `Undoing failed, attempt ${data.attempt}: ${errorText(data.error)}`],
  compensation_completed: () => ["undo", "Undone"],
  compensation_failed: ({ data }) => ["bad", `Could not be undone, a person is needed: ${errorText(data.error)}`],
  run_completed: () => ["good", "Completed"],
  run_failed: ({ data }) => ["bad", `Failed: ${errorText(data.error)}`],
  run_cancelled: () => ["idle", "Cancelled"],
};

/** The story in lines: `[{seq, at, step, tone, text}]`. An event of a kind that is not known here is told by its name. */
export function logLines(events) {
  const lines = [];
  for (const event of events) {
    const tell = kStories[event.type] ?? (() => ["plain", event.type.replaceAll("_", " ")]);
    const told = tell({ ...event, data: event.data ?? {} });
    if (told) lines.push({ seq: event.seq, at: event.at, step: event.step ?? null, tone: told[0], text: told[1] });
  }
  return lines;
}
