// Workstations as a hub with a cloud would tell them, made up: every status that there is, which no test could bring
// about at one time. A page is given them in place of the hub's answers; what it sends is kept.

const kNow = Date.now();
const iso = (ms) => new Date(ms).toISOString();
const ago = (minutes) => iso(kNow - minutes * 60_000);
const kMinute = 60_000;

export const tiers = [
  ["starter", "e2-medium", 2, 4, 50, 25],
  ["professional", "e2-highmem-4", 4, 32, 100, 80],
  ["business", "n2-highmem-8", 8, 64, 200, 200],
  ["enterprise", "n2-highmem-16", 16, 128, 500, 500],
].map(([name, machineType, vcpus, memoryGb, diskGb, monthlyCostUsd]) => ({
  name,
  machineType,
  vcpus,
  memoryGb,
  diskGb,
  monthlyCostUsd,
  workstations: {},
}));

const kCluster = "projects/acme-dev/locations/europe-west3/workstationClusters/acme";

function workstation(id, tierName, status, minutes, more = {}) {
  const { machineType, vcpus, memoryGb, diskGb } = tiers.find(({ name }) => name === tierName);
  const config = `${kCluster}/workstationConfigs/${tierName}`;
  const isThere = status !== "creating" && status !== "failed";
  return {
    id,
    organizationId: "acme",
    userId: `user_${id.slice(3, 7)}`,
    userEmail: `${id.slice(3, 7)}@acme.example`,
    tier: tierName,
    machineType,
    vcpus,
    memoryGb,
    bootDiskSizeGb: diskGb,
    config,
    status,
    ...(isThere ? { gcpWorkstationId: `${config}/workstations/${id}`, provisionedAt: ago(minutes - 1) } : {}),
    ...(isThere ? { launchUrl: `https://${id}.cluster-acme.cloudworkstations.dev` } : {}),
    createdAt: ago(minutes),
    updatedAt: ago(1),
    version: 3,
    ...more,
  };
}

export const kCreatingRun = "run_01JGCREATINGCREATINGCREAT0";
export const kWaitingRun = "run_01JGWAITINGWAITINGWAITIN00";
const kFull = {
  code: "QUOTA_EXCEEDED",
  message: "Quota 'N2_CPUS' exceeded. Limit: 48.0 in region europe-west3",
};

export const workstations = [
  workstation("ws-anna-k3v9q2m4xt", "starter", "creating", 1, { runId: kCreatingRun }),
  workstation("ws-bert-7hq2m4xt9d", "business", "creating", 42, { runId: kWaitingRun, waitingFor: "quota" }),
  workstation("ws-cora-m4xt9dk3v9", "professional", "running", 3 * 24 * 60),
  workstation("ws-dora-x8t2m4q9dk", "enterprise", "running", 40 * 24 * 60, { organizationId: "globex" }),
  workstation("ws-emil-9dk3v9m4xt", "starter", "stopped", 9 * 24 * 60),
  workstation("ws-finn-q2m4xt9dk3", "starter", "failed", 300, {
    error: {
      code: "PERMISSION_DENIED",
      message: "Permission 'workstations.workstations.create' denied on the workstation config",
    },
  }),
  workstation("ws-gina-v9m4xt9dk3", "professional", "lost", 12 * 24 * 60, {
    error: { code: "NOT_FOUND", message: "The cloud does not know it any more." },
  }),
  workstation("ws-hugo-t9dk3v9m4x", "business", "stopping", 2 * 24 * 60),
];
for (const { tier, status } of workstations) {
  const counts = tiers.find(({ name }) => name === tier).workstations;
  counts[status] = (counts[status] ?? 0) + 1;
}

const kSteps = [
  "receive",
  "determine-config",
  "create-record",
  "create-workstation",
  "wait-until-created",
  "start-workstation",
  "wait-until-running",
  "update-record",
  "send-email",
  "publish-event",
];

// The steps up to `at` are done, that one is `status`, the rest pending.
function run(id, resourceId, began, at, last) {
  const index = kSteps.indexOf(at);
  const length = (kNow - began) / (index + 1);
  const time = (step) => iso(began + step * length);
  const steps = kSteps.map((name, step) => {
    if (step > index) return { name, status: "pending" };
    if (step === index) return { name, kind: "step", startedAt: time(step), ...last };
    const durationMs = Math.round(length);
    const times = { startedAt: time(step), completedAt: time(step + 1), durationMs };
    return { name, kind: "step", status: "completed", attempts: 1, ...times };
  });
  return {
    id,
    type: "workstation.provision",
    status: "running",
    resourceType: "workstation",
    resourceId,
    triggeredBy: "pubsub",
    startedAt: iso(began),
    progress: Math.round((index / kSteps.length) * 100),
    steps,
    lastSeq: index + 1,
  };
}

export const runs = [
  run(kCreatingRun, workstations[0].id, kNow - kMinute, "wait-until-running", {
    kind: "poll",
    status: "waiting",
    nextAttemptAt: iso(kNow + 8_000),
  }),
  run(kWaitingRun, workstations[1].id, kNow - 42 * kMinute, "create-workstation", {
    status: "failed",
    attempts: 1,
    completedAt: iso(kNow - 41 * kMinute),
    error: kFull,
  }),
];
// What the outline does not know: it is there because there was no room.
runs[1].steps.splice(4, 0, {
  name: "wait-for-quota",
  kind: "sleep",
  status: "waiting",
  startedAt: iso(kNow - 41 * kMinute),
  nextAttemptAt: iso(kNow + 12 * kMinute),
});

export const organizations = [
  {
    id: "acme",
    workstationCount: 5,
    cluster: "acme",
    network: "projects/acme-dev/global/networks/acme-isolated",
    subnetwork: "projects/acme-dev/regions/europe-west3/subnetworks/workstations",
    createdAt: ago(90_000),
    updatedAt: ago(4_000),
    version: 4,
  },
  { id: "globex", workstationCount: 1, createdAt: ago(60_000), updatedAt: ago(60_000), version: 1 },
];

const kAlertId = (letter) => `alr_01JG${letter.repeat(22)}`;
export const alerts = [
  {
    id: kAlertId("A"),
    kind: "workstation.failed",
    severity: "critical",
    state: "open",
    resourceType: "workstation",
    resourceId: workstations[5].id,
    runId: kCreatingRun,
    message: "A workstation could not be made: permission workstations.workstations.create is missing.",
    details: { permission: "workstations.workstations.create", tier: "starter" },
    count: 1,
    raisedAt: ago(295),
    lastRaisedAt: ago(295),
    note: "",
    version: 1,
  },
  {
    id: kAlertId("B"),
    kind: "workstation.quota",
    severity: "warning",
    state: "acknowledged",
    resourceType: "workstation",
    resourceId: workstations[1].id,
    runId: kWaitingRun,
    message: kFull.message,
    details: { quota: "N2_CPUS", region: "europe-west3" },
    count: 6,
    raisedAt: ago(41),
    lastRaisedAt: ago(2),
    acknowledgedAt: ago(30),
    acknowledgedBy: "usr_01JGOPERATOR",
    note: "asked Google for 96",
    version: 2,
  },
];

export const messages = [
  {
    id: "msg_01JGMADEUPMADEUPMADEUPMA01",
    subscription: "projects/acme-dev/subscriptions/workstation-provisioning-sub",
    messageId: "11895647382011",
    publishedAt: ago(61),
    receivedAt: ago(60),
    lastReceivedAt: ago(60),
    deliveries: 1,
    outcome: "refused",
    reason: "unknown_tier",
    explanation: "tier: 'profesional' is none of starter, professional, business",
    data: '{"user_id":"user_ida","org_id":"acme","tier":"profesional","user_email":"ida@acme.example"}',
    attributes: { source: "checkout" },
  },
  {
    id: "msg_01JGMADEUPMADEUPMADEUPMA02",
    subscription: "projects/acme-dev/subscriptions/workstation-provisioning-sub",
    messageId: "11895647382008",
    publishedAt: ago(2),
    receivedAt: ago(2),
    lastReceivedAt: ago(1),
    deliveries: 3,
    outcome: "accepted",
    runId: kCreatingRun,
  },
];

const entry = (seq, action, resourceType, resourceId, outcome, minutes) => ({
  seq,
  at: ago(minutes),
  actor_id: seq % 2 ? "usr_01JGOPERATOR" : "pubsub",
  action,
  resource_type: resourceType,
  resource_id: resourceId,
  request_id: `req_${seq}`,
  remote: seq % 2 ? "127.0.0.1" : "workstation-provisioning-sub",
  details: { tier: "starter" },
  outcome,
  hash: "9f2c".repeat(16),
});
const kHead = `5:${"9f2c".repeat(16)}`;
export const audit = [
  entry(5, "workstation.stop", "workstation", workstations[4].id, "success", 3),
  entry(4, "workstation.provision", "workstation", workstations[2].id, "success", 8),
  entry(3, "organization.put", "organization", "acme", "denied", 20),
  entry(2, "workstation.provision", "workstation", workstations[5].id, "failure", 300),
];

const meta = { requestId: "req_made_up", timestamp: iso(kNow) };
const json = (status, body) => ({ status, contentType: "application/json", body: JSON.stringify(body) });
const answer = (data, more = {}) => json(more.status ?? 200, { success: true, data, meta: { ...meta, ...more.meta } });
const page = (items) =>
  answer(items, { meta: { pagination: { page: 1, pageSize: 50, total: items.length, hasMore: false } } });
const refusal = (status, code, message, details) =>
  json(status, { success: false, error: { code, message, details }, meta });

const matches = (query, names) => (row) =>
  names.every((name) => !query.get(name) || query.get(name).split(",").includes(String(row[name])));
const byId = (list, id) => list.find((row) => row.id === id);

// What is answered: [method, path, (match, query, body) → answer].
const kRoutes = [
  ["GET", /^\/v1\/tiers$/, () => answer(tiers)],
  [
    "GET",
    /^\/v1\/workstations$/,
    (_, query) =>
      page(workstations.filter(matches(query, ["status", "tier", "organizationId", "userId", "waitingFor"]))),
  ],
  [
    "POST",
    /^\/v1\/workstations$/,
    (_match, _query, { userEmail }) =>
      userEmail.includes("@")
        ? answer({ workstationId: workstations[0].id, run: runs[0] }, { status: 202 })
        : refusal(400, "VALIDATION_ERROR", "userEmail is not an e-mail address", { field: "userEmail" }),
  ],
  ["GET", /^\/v1\/workstations\/([^/]+)$/, ([, id]) => answer(byId(workstations, id))],
  [
    "POST",
    /^\/v1\/workstations\/([^/]+)\/(start|stop)$/,
    ([, id]) => answer({ workstation: byId(workstations, id), run: runs[0] }, { status: 202 }),
  ],
  ["PATCH", /^\/v1\/workstations\/([^/]+)$/, ([, id]) => answer({ workstation: byId(workstations, id), run: runs[0] })],
  ["DELETE", /^\/v1\/workstations\/([^/]+)$/, ([, id]) => answer({ workstation: byId(workstations, id) })],
  ["GET", /^\/v1\/workflows\/runs$/, (_, query) => page(runs.filter(matches(query, ["resourceId"])))],
  ["GET", /^\/v1\/workflows\/runs\/([^/]+)$/, ([, id]) => answer(byId(runs, id))],
  [
    "GET",
    /^\/v1\/workflows\/runs\/[^/]+\/events$/,
    () => ({ contentType: "text/event-stream", body: ": nothing yet\n\n" }),
  ],
  ["GET", /^\/v1\/organizations$/, () => page(organizations)],
  ["POST", /^\/v1\/workstations\/setup$/, () => answer({ run: runs[0] }, { status: 202 })],
  ["PUT", /^\/v1\/organizations\/([^/]+)$/, ([, id], _, body) => answer({ ...byId(organizations, id), ...body, id })],
  ["GET", /^\/v1\/alerts$/, (_, query) => page(alerts.filter(matches(query, ["state", "kind", "resourceId"])))],
  ["POST", /^\/v1\/alerts\/([^/]+)\/(acknowledge|resolve)$/, ([, id]) => answer(byId(alerts, id))],
  ["GET", /^\/v1\/messages$/, (_, query) => page(messages.filter(matches(query, ["outcome"])))],
  ["GET", /^\/v1\/messages\/([^/]+)$/, ([, id]) => answer(byId(messages, id))],
  [
    "POST",
    /^\/v1\/messages\/([^/]+)\/replay$/,
    (_match, _query, { data }) =>
      !data || data.tier === "profesional"
        ? refusal(400, "VALIDATION_ERROR", "the tier is unknown", { field: "data", reason: "the tier is unknown" })
        : answer({ run: runs[0] }, { status: 202 }),
  ],
  // In two slices, the second of which finds that something was changed.
  [
    "GET",
    /^\/v1\/audit\/verify$/,
    (_, query) =>
      answer({
        intact: !query.get("from"),
        complete: false,
        checked: 2,
        reached: "2:ab",
        head: kHead,
        sealFits: true,
        ...(query.get("from") ? { fault: { seq: 4, reason: "its hash does not fit what it says" } } : {}),
      }),
  ],
  ["GET", /^\/v1\/audit$/, (_, query) => page(audit.filter(matches(query, ["outcome"])))],
  ["GET", /^\/v1\/why\/([^/]+)$/, ([, id]) => answer({ id, kind: "workstation", because: [], next: [] })],
];

/** From now on this page is told of the cloud, whatever the hub says. Answers what the page sends: `[[method, path, body]]`. */
export async function tellOfCloud(browserPage) {
  const sent = [];
  await browserPage.route(/\/v1\/(?!events|me\b)/, async (route) => {
    const request = route.request();
    const { pathname, searchParams } = new URL(request.url());
    const method = request.method();
    const body = request.postDataJSON();
    for (const [known, path, reply] of kRoutes) {
      const match = method === known && path.exec(pathname);
      if (!match) continue;
      if (method !== "GET") sent.push([method, pathname, body]);
      return route.fulfill(reply(match, searchParams, body));
    }
    return route.continue();
  });
  return sent;
}
