// A run as the hub would tell it, made up: with everything that a timeline can show, which no single workflow of the
// hub has. A page is given it in place of the hub's answers.

const kBegan = Date.parse("2025-01-12T10:00:00Z");
const iso = (ms) => new Date(kBegan + ms).toISOString();
const kBusy = { code: "BACKEND_BUSY", message: "the zone has no room" };
const kFull = { code: "DISK_FULL", message: "no space is left on the device" };
const kDisks = [0, 1, 2, 3, 4, 5, 6];

export const kRunId = "run_01JGMADEMADEMADEMADEMADEMA";

function step(name, kind, from, to, more = {}) {
  return {
    name,
    kind,
    status: "completed",
    startedAt: iso(from),
    completedAt: iso(to),
    durationMs: to - from,
    ...more,
  };
}

export const run = {
  id: kRunId,
  type: "workspace.create",
  status: "failed",
  resourceType: "workspace",
  resourceId: "0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000",
  triggeredBy: "usr_01JGMADEMADEMADEMADEMADEMA",
  startedAt: iso(0),
  completedAt: iso(34_100),
  durationMs: 34_100,
  progress: 100,
  error: { ...kFull, step: "disks" },
  steps: [
    step("validate", "compute", 10, 60, { attempts: 1 }),
    step("create-machine", "step", 70, 15_000, { status: "compensated", attempts: 3 }),
    step("wait", "sleep", 15_000, 20_000),
    step("disks", "fan_out", 20_000, 31_000, { status: "failed", items: kDisks.length, error: kFull }),
    ...kDisks.map((index) => step(`disks[${index}]`, "step", 20_000 + index, 24_000 + index, { attempts: 1 })),
    { name: "announce", status: "pending" },
  ],
};

export const events = [
  [0, "run_started", null, {}],
  [10, "step_started", "validate", { kind: "compute" }],
  [60, "step_completed", "validate", { result: { ok: true }, attempts: 1 }],
  [70, "step_started", "create-machine", { kind: "step" }],
  [2_000, "attempt_failed", "create-machine", { attempt: 1, error: kBusy, retryAt: iso(5_000) }],
  [5_000, "step_started", "create-machine", { kind: "step" }],
  [7_000, "attempt_failed", "create-machine", { attempt: 2, error: kBusy, retryAt: iso(12_000) }],
  [12_000, "step_started", "create-machine", { kind: "step" }],
  [14_000, "step_heartbeat", "create-machine", { kind: "step", detail: "booted 40 %" }],
  [15_000, "step_completed", "create-machine", { result: { reference: "vm-7" }, attempts: 3 }],
  [15_000, "step_started", "wait", { kind: "sleep", wakeAt: iso(20_000) }],
  [20_000, "step_completed", "wait", { kind: "sleep" }],
  [20_000, "step_started", "disks", { kind: "fan_out", items: kDisks.length }],
  [31_000, "step_failed", "disks", { error: kFull }],
  [34_000, "compensation_completed", "create-machine", { name: "delete-machine" }],
  [34_100, "run_failed", null, { error: kFull, step: "disks" }],
].map(([at, type, of, data], index) => ({ seq: index + 1, type, at: iso(at), ...(of ? { step: of } : {}), data }));

/** From now on this page is told of the run, whatever the hub says. */
export async function tellOfRun(page) {
  const meta = { requestId: "req_made_up", timestamp: iso(60_000) };
  const answer = (data) => ({ contentType: "application/json", body: JSON.stringify({ success: true, data, meta }) });
  const stream = events.map((event) => `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  const why = { id: kRunId, kind: "run", state: "failed", because: ["step 'disks' failed"], next: [] };
  await page.route(`**/v1/workflows/runs/${kRunId}`, (route) => route.fulfill(answer(run)));
  await page.route(`**/v1/workflows/runs/${kRunId}/events*`, (route) =>
    route.fulfill({ contentType: "text/event-stream", body: stream.join("") }),
  );
  await page.route(`**/v1/why/${kRunId}`, (route) => route.fulfill(answer(why)));
}
