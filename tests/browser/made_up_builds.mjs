// Templates, builds and jobs as a hub would tell them, made up: every state at one time, and a log longer than any that
// a test could wait for. A page is given them in place of the hub's answers; what it sends is kept.

const kNow = Date.now();
const iso = (ms) => new Date(ms).toISOString();
const ago = (minutes) => iso(kNow - minutes * 60_000);

const kOwner = "usr_01JGMADEUPMADEUPMADEUPMA01";
const id = (kind, letter) => `${kind}_01JG${letter.repeat(22)}`;

const parameter = (name, type, more) => ({
  name,
  displayName: "",
  description: "",
  type,
  required: false,
  isMutable: true,
  ephemeral: false,
  sensitive: false,
  options: [],
  ...more,
});

const option = (value, name, description = "") => ({ name, value, description });
const regions = ["Frankfurt", "London", "Paris", "Milan", "Madrid", "Warsaw"].map((name) =>
  option(name.toLowerCase(), name),
);

export const parameters = [
  parameter("size", "string", {
    displayName: "Size",
    description: "Of the machine. It may be changed later.",
    defaultValue: "small",
    options: [option("small", "Small", "2 cores, 4 GB"), option("large", "Large", "8 cores, 32 GB")],
  }),
  parameter("region", "string", {
    displayName: "Region",
    required: true,
    isMutable: false,
    description: "Where its disk is.",
    options: regions,
  }),
  parameter("disk_gb", "number", { displayName: "Disk", defaultValue: "20", minimum: 10, maximum: 500 }),
  parameter("repository", "string", {
    displayName: "Repository",
    pattern: "https://.*",
    patternError: "must begin with https://",
    defaultValue: "",
  }),
  parameter("docker", "boolean", { displayName: "Docker inside", defaultValue: "true" }),
  parameter("tools", "list", {
    displayName: "Tools",
    defaultValue: '["git"]',
    options: [option("git", "Git"), option("go", "Go"), option("node", "Node.js")],
  }),
  parameter("hosts", "list", { displayName: "Hosts that it may reach", defaultValue: "[]" }),
  parameter("token", "string", {
    displayName: "Token",
    sensitive: true,
    description: "For the registry.",
    required: true,
  }),
];

const resource = (address, action, dailyCost, details = {}) => ({
  address,
  type: address.split(".").at(-2),
  name: address.split(".").at(-1),
  action,
  dailyCost,
  details,
});
export const resources = [
  resource("module.machine.cloud_instance.dev", "create", 12, { zone: "frankfurt-a", cores: "2" }),
  resource("cloud_disk.home", "create", 3, { size: "20 GB" }),
  resource("cloud_address.old", "destroy", 0),
  resource("random_id.suffix", "none", 0),
];

const kReadme = `---
icon: none
---
# Development machine

A machine with a **disk that stays**. See [the handbook](https://handbook.example/dev) and
[nothing good](javascript:alert(1)).

- one
- two, with \`code\`

\`\`\`sh
make && make install
\`\`\`

| size | cores |
| --- | --- |
| small | 2 |
| large | 8 |

> <img src=x onerror=alert(1)>
`;

const template = (name, more) => ({
  id: id("tpl", name[0].toUpperCase()),
  name,
  displayName: name,
  description: "",
  icon: "",
  workspaces: 0,
  ownerId: kOwner,
  version: 3,
  createdAt: ago(90_000),
  updatedAt: ago(300),
  ...more,
});
export const templates = [
  template("devbox", {
    displayName: "Development machine",
    description: "A machine with a disk that stays",
    activeVersion: "v2",
    activeVersionId: id("tpv", "B"),
    workspaces: 14,
  }),
  template("legacy", { activeVersion: "v7", deprecated: "use devbox", workspaces: 1 }),
  template("new-one", {}),
];

export const kImportJob = id("job", "M");
const version = (name, letter, status, minutes, more = {}) => ({
  id: id("tpv", letter),
  templateId: templates[0].id,
  templateName: "devbox",
  name,
  message: "",
  archive: "9f2c".repeat(16),
  provisioner: "terraform",
  tags: { zone: "eu" },
  status,
  isActive: name === "v2",
  promote: true,
  jobId: kImportJob,
  createdBy: kOwner,
  createdAt: ago(minutes),
  ...(status === "importing" ? {} : { endedAt: ago(minutes - 1) }),
  ...more,
});
const kVariables = [
  { name: "project", type: "string", description: "Of the cloud", required: true, sensitive: false, value: "acme-dev" },
  { name: "api_key", type: "string", description: "", required: true, sensitive: true, value: "*redacted*" },
];
const kParsed = {
  variables: kVariables,
  parameters,
  readme: kReadme,
  startResources: resources,
  stopResources: [resources[1]],
  startDailyCost: 15,
  stopDailyCost: 3,
};
export const versions = [
  version("v4", "D", "importing", 1, { message: "larger disks" }),
  version("v3", "C", "failed", 60, {
    message: "try the new provider",
    error: { code: "REQUIRED_TEMPLATE_VARIABLES", message: "the template needs values for: 'project'" },
  }),
  version("v2", "B", "ready", 3_000, kParsed),
  version("v1", "A", "ready", 9_000, { ...kParsed, message: "the first one" }),
];
const briefly = ({ variables, parameters, readme, startResources, stopResources, ...rest }) => rest;

export const workspace = {
  id: "01a200aa-de0a-772b-99a6-58b29f1a3b31",
  name: "phoenix",
  owner_id: kOwner,
  provider: "template",
  instance_name: "phoenix-9f1a3b31",
  zone: "",
  image_tag: "devbox:v1",
  machine_type: "terraform",
  status: "READY",
  metadata: {},
  created_at: ago(400),
  updated_at: ago(20),
  version: 4,
};

const values = [
  { name: "size", value: "large", sensitive: false },
  { name: "region", value: "paris", sensitive: false },
  { name: "disk_gb", value: "40", sensitive: false },
  { name: "docker", value: "true", sensitive: false },
  { name: "tools", value: '["git","go"]', sensitive: false },
  { name: "token", value: "*redacted*", sensitive: true },
];
const build = (number, transition, status, minutes, more = {}) => ({
  id: id("bld", String.fromCharCode(64 + number)),
  workspaceId: workspace.id,
  workspaceName: "phoenix",
  number,
  transition,
  status,
  reason: "requested",
  templateName: "devbox",
  templateVersion: "v2",
  runId: id("run", String.fromCharCode(64 + number)),
  jobId: id("job", String.fromCharCode(64 + number)),
  parameters: values,
  dailyCost: 15,
  resources: [],
  outputs: {},
  requestedBy: kOwner,
  createdAt: ago(minutes),
  ...(status === "pending" ? {} : { startedAt: ago(minutes - 0.1) }),
  ...(["pending", "running"].includes(status) ? {} : { endedAt: ago(minutes - 1) }),
  ...more,
});
export const builds = [
  build(5, "start", "pending", 2),
  build(4, "stop", "running", 1),
  build(3, "start", "failed", 50, {
    resources: resources.slice(0, 2),
    error: { code: "APPLY_FAILED", message: "Error: creating disk: no room in frankfurt-a" },
  }),
  build(2, "start", "succeeded", 300, {
    resources,
    outputs: { address: "10.1.2.3", url: "https://phoenix.acme.example" },
  }),
  build(1, "start", "cancelled", 400, { error: { code: "CANCELLED", message: "it was cancelled" } }),
];

const daemon = (name, status, more) => ({
  id: `dmn_${name}`,
  name,
  keyId: id("dky", "K"),
  version: "0.6.0",
  provisioners: ["terraform"],
  tags: {},
  runners: 4,
  busy: 0,
  status,
  registeredAt: ago(600),
  seenAt: ago(0),
  ...more,
});
export const daemons = [
  daemon("frankfurt", "online", { tags: { zone: "eu", size: "large" }, busy: 4 }),
  daemon("oregon", "draining", { tags: { zone: "us" }, busy: 1 }),
  daemon("laptop", "offline", { provisioners: ["scripted"], seenAt: ago(90) }),
];
export const keys = [
  { id: id("dky", "K"), name: "frankfurt", createdBy: kOwner, createdAt: ago(9_000), usedAt: ago(0) },
  { id: id("dky", "L"), name: "partners", tags: { zone: "eu" }, createdBy: kOwner, createdAt: ago(100) },
];

const kPending = {
  reason: "tags_missing",
  explanation: "no daemon has the tag zone=mars; the nearest is frankfurt",
  ahead: 3,
  missingTags: { zone: "mars" },
  daemons: [
    {
      name: "frankfurt",
      status: "online",
      provisioners: ["terraform"],
      tags: { zone: "eu" },
      missingTags: { zone: "mars" },
      hasProvisioner: true,
      busy: 4,
      runners: 4,
    },
    {
      name: "laptop",
      status: "online",
      provisioners: ["scripted"],
      tags: {},
      missingTags: {},
      hasProvisioner: false,
      busy: 0,
      runners: 1,
    },
  ],
};

const jobOf = ({ id: buildId, jobId, status, workspaceId, createdAt, startedAt, endedAt, error, runId }) => ({
  id: jobId,
  type: "workspace_build",
  status,
  provisioner: "terraform",
  tags: { zone: "eu" },
  priority: "person",
  ownerId: kOwner,
  requestedBy: kOwner,
  requestedByName: "anna",
  templateId: templates[0].id,
  versionId: versions[2].id,
  workspaceId,
  buildId,
  runId,
  attempt: status === "pending" ? 0 : 1,
  attemptsMax: 3,
  ...(status === "pending" ? { pending: kPending } : { daemonId: "dmn_frankfurt", daemonName: "frankfurt" }),
  error,
  deadLetter: false,
  logLines: 0,
  timings: [],
  createdAt,
  startedAt,
  endedAt,
});
const { buildId, workspaceId, ...importBase } = jobOf(builds[3]);
export const jobs = [
  ...builds.map(jobOf),
  {
    ...importBase,
    id: kImportJob,
    type: "template_import",
    templateImport: { startResources: resources, stopResources: [resources[1]], startDailyCost: 15, stopDailyCost: 3 },
    timings: [{ stage: "Planning infrastructure", startedAt: ago(3), endedAt: ago(2.5) }],
  },
];

const kStages = ["Setting up", "Planning infrastructure", "Starting workspace", "Cleaning Up"];
/** A log of so many lines, with some of every level, and a gap. */
export function madeUpLog(lines, stages = kStages, began = kNow - 60_000) {
  const levels = { 3: "debug", 7: "warn", 11: "error" };
  return Array.from({ length: lines }, (_, number) => {
    const stage = stages[Math.min(stages.length - 1, Math.floor((number * stages.length) / lines))];
    const line = { number, source: number % 5 ? "provisioner" : "daemon", level: levels[number % 17] ?? "info", stage };
    const output = `line ${number}: module.machine.cloud_instance.dev: Still creating... [${number}s elapsed]`;
    return { ...line, at: iso(began + number * 7), output: number % 40 === 39 ? output.repeat(4) : output };
  });
}
const kGap = { number: 60, source: "daemon", level: "info", stage: kStages[2], at: ago(1), output: "", leftOut: 4321 };
/** Of the log of each job that is given none of its own. */
export const kShortLogLines = 90;
const kWholeLog = madeUpLog(kShortLogLines);
const kShortLog = [...kWholeLog.slice(0, kGap.number), kGap, ...kWholeLog.slice(kGap.number + 1)];

const meta = { requestId: "req_made_up", timestamp: iso(kNow) };
const json = (status, body) => ({ status, contentType: "application/json", body: JSON.stringify(body) });
const answer = (data, more = {}) => json(more.status ?? 200, { success: true, data, meta: { ...meta, ...more.meta } });
const page = (items) =>
  answer(items, { meta: { pagination: { page: 1, pageSize: 50, total: items.length, hasMore: false } } });
const refusal = (status, code, message, details) =>
  json(status, { success: false, error: { code, message, details }, meta });
const oneOf = (list, key, value) => {
  const found = list.find((row) => row[key] === value);
  return found ? answer(found) : refusal(404, "NOT_FOUND", `there is no '${value}'`);
};

function logAnswer(jobId, logs) {
  const lines = logs[jobId] ?? kShortLog;
  const hasEnded = !["pending", "running"].includes(jobs.find((job) => job.id === jobId)?.status);
  const text = lines.map((line) => `id: ${line.number}\nevent: log\ndata: ${JSON.stringify(line)}\n\n`).join("");
  const end = hasEnded ? 'event: end\ndata: {"status":"succeeded"}\n\n' : "";
  return { contentType: "text/event-stream", body: `retry: 500\n\n${text}${end}` };
}

const quota = {
  ownerId: kOwner,
  consumed: 42,
  budget: 100,
  workspaces: 2,
  groups: ["everyone", "builders"],
  shares: [
    { workspaceId: workspace.id, name: "phoenix", templateName: "devbox", dailyCost: 39 },
    { workspaceId: "other", name: "small", templateName: "legacy", dailyCost: 3 },
  ],
};
const groups = [
  { name: "builders", dailyBudget: 60, members: [kOwner], version: 1, createdAt: ago(900), updatedAt: ago(90) },
  { name: "everyone", dailyBudget: 40, members: [], version: 1, createdAt: ago(900), updatedAt: ago(900) },
];

function createWorkspace({ parameters: given }) {
  if (given.repository && !given.repository.startsWith("https://"))
    return refusal(400, "VALIDATION_ERROR", "parameters/repository: must begin with https://", {
      field: "parameters/repository",
      reason: "must begin with https://",
    });
  const missing = ["region", "token"].filter((name) => !given[name]);
  if (missing.length)
    return refusal(400, "MISSING_TEMPLATE_PARAMETER", `a value is needed for ${missing.join(", ")}`, {
      names: missing,
    });
  return answer({ workspace, run: { id: builds[0].runId } }, { status: 202 });
}

const checked = ({ workspaceId: known }) =>
  answer({ ok: !known, dailyCost: 15, previousDailyCost: known ? 3 : 0, consumed: known ? 120 : 57, budget: 100 });

// What is answered: [method, path, (match, query, body) → answer].
const routes = (logs) => [
  ["GET", /^\/v1\/templates$/, () => page(templates)],
  ["GET", /^\/v1\/templates\/([^/]+)$/, ([, name]) => oneOf(templates, "name", name)],
  ["PATCH", /^\/v1\/templates\/([^/]+)$/, ([, name]) => oneOf(templates, "name", name)],
  ["GET", /^\/v1\/templates\/([^/]+)\/versions$/, ([, name]) => page(name === "devbox" ? versions.map(briefly) : [])],
  ["GET", /^\/v1\/templates\/[^/]+\/versions\/([^/]+)$/, ([, name]) => oneOf(versions, "name", name)],
  ["POST", /^\/v1\/workspaces$/, (_match, _query, body) => createWorkspace(body)],
  ["GET", /^\/v1\/workspaces\/[^/]+$/, () => answer(workspace)],
  [
    "GET",
    /^\/v1\/workspaces\/[^/]+\/status$/,
    () =>
      answer({ status: "READY", updated_at: ago(20), agrees: true, explanation: "", backend: { state: "unknown" } }),
  ],
  ["POST", /^\/v1\/workspaces\/[^/]+\/(start|stop)$/, () => answer({ workspace, run: {} }, { status: 202 })],
  ["GET", /^\/v1\/workspaces\/[^/]+\/builds$/, (_, query) => page(query.get("limit") === "1" ? [builds[3]] : builds)],
  ["GET", /^\/v1\/builds\/([^/]+)$/, ([, one]) => oneOf(builds, "id", one)],
  ["POST", /^\/v1\/builds\/([^/]+)\/cancel$/, ([, one]) => oneOf(builds, "id", one)],
  [
    "GET",
    /^\/v1\/jobs$/,
    (_, query) => page(jobs.filter(({ status }) => !query.get("status") || query.get("status") === status)),
  ],
  ["GET", /^\/v1\/jobs\/([^/]+)$/, ([, one]) => oneOf(jobs, "id", one)],
  ["GET", /^\/v1\/jobs\/([^/]+)\/logs$/, ([, one]) => logAnswer(one, logs)],
  ["POST", /^\/v1\/jobs\/([^/]+)\/cancel$/, ([, one]) => oneOf(jobs, "id", one)],
  ["GET", /^\/v1\/daemons$/, () => answer({ daemons })],
  ["GET", /^\/v1\/daemon-keys$/, () => answer({ keys })],
  [
    "POST",
    /^\/v1\/daemon-keys$/,
    (_match, _query, body) => answer({ ...keys[0], ...body, key: "sld_onlyonce" }, { status: 201 }),
  ],
  ["DELETE", /^\/v1\/daemon-keys\/([^/]+)$/, ([, one]) => answer({ id: one })],
  ["GET", /^\/v1\/quota$/, () => answer(quota)],
  ["POST", /^\/v1\/quota\/check$/, (_match, _query, body) => checked(body)],
  ["GET", /^\/v1\/groups$/, () => page(groups)],
  ["PUT", /^\/v1\/groups\/([^/]+)$/, ([, name], _, body) => answer({ ...groups[0], ...body, name })],
  ["DELETE", /^\/v1\/groups\/([^/]+)$/, ([, name]) => answer({ name })],
  ["GET", /^\/v1\/workflows\/runs$/, () => page([])],
  ["GET", /^\/v1\/why\/([^/]+)$/, ([, one]) => answer({ id: one, kind: "workspace", because: [], next: [] })],
];

/**
 * From now on this page is told of made-up builds, whatever the hub says; `logs` are lines by the id of a job. Answers
 * what the page sends: `[[method, path, body]]`.
 */
export async function tellOfBuilds(browserPage, logs = {}) {
  const sent = [];
  const known = routes(logs);
  await browserPage.route(/\/v1\/(?!events|me\b)/, async (route) => {
    const request = route.request();
    const { pathname, searchParams } = new URL(request.url());
    const method = request.method();
    const body = request.postDataJSON();
    for (const [wanted, path, reply] of known) {
      const match = method === wanted && path.exec(pathname);
      if (!match) continue;
      if (method !== "GET") sent.push([method, pathname, body]);
      return route.fulfill(reply(match, searchParams, body));
    }
    return route.continue();
  });
  return sent;
}
