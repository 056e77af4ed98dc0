// Google's own clients for Node against the simulated cloud: Workstations with enums as numbers and long-running
// operations, Compute Engine, and every kind of credentials (WP-5, WP-20).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import compute from '@google-cloud/compute';
import workstationsLibrary from '@google-cloud/workstations';
import { GoogleAuth } from 'google-auth-library';

const { WorkstationsClient } = workstationsLibrary.v1;

const cloud = JSON.parse(process.env.SLIPWAY_CLOUD); // {url, port, project, region, cluster, credentials}
const cluster = `projects/${cloud.project}/locations/${cloud.region}/workstationClusters/${cloud.cluster}`;
const config = `${cluster}/workstationConfigs/starter`;

const post = (path, body) =>
  fetch(cloud.url + path, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });

// Each client brings its own version of the library that speaks HTTP for it, and that one its own of the credentials'.
function credentialsLibrary(client) {
  const require = createRequire(import.meta.url);
  const gax = createRequire(require.resolve(client)).resolve('google-gax');
  return createRequire(gax)('google-auth-library');
}

async function options(client) {
  const { access_token } = await (await fetch(`${cloud.url}/simulator/token`)).json();
  const authClient = new (credentialsLibrary(client).OAuth2Client)();
  authClient.setCredentials({ access_token, expiry_date: Date.now() + 3_600_000 });
  return {
    apiEndpoint: '127.0.0.1', port: cloud.port, protocol: 'http', fallback: true, authClient, projectId: cloud.project,
  };
}

let workstations;
before(async () => {
  workstations = new WorkstationsClient(await options('@google-cloud/workstations'));
});
after(() => workstations.close());

const { State } = workstationsLibrary.protos.google.cloud.workstations.v1.Workstation;
const { ReclaimPolicy } =
  workstationsLibrary.protos.google.cloud.workstations.v1.WorkstationConfig.PersistentDirectory.GceRegionalPersistentDisk;

// Runs a long-running call to its end. What it gives has enums by their numbers.
const done = async ([operation]) => (await operation.promise())[0];

test('a workstation lives its life', async () => {
  const name = `${config}/workstations/ws-node`;
  const made = await done(
    await workstations.createWorkstation({
      parent: config, workstationId: 'ws-node', workstation: { labels: { team: 'green' } },
    }),
  );
  assert.equal(made.name, name);
  assert.equal(made.state, State.STATE_STOPPED);

  const running = await done(await workstations.startWorkstation({ name }));
  assert.equal(running.state, State.STATE_RUNNING);

  const [all] = await workstations.listWorkstations({ parent: config });
  assert.deepEqual(all.map((one) => [one.name, one.state]), [[name, 'STATE_RUNNING']]);
  const [token] = await workstations.generateAccessToken({ workstation: name, ttl: { seconds: 600 } });
  assert.match(token.accessToken, /^ya29\./);

  const instances = new compute.InstancesClient(await options('@google-cloud/compute'));
  const found = [];
  for await (const [, { instances: inZone = [] }] of instances.aggregatedListAsync({ project: cloud.project })) {
    found.push(...(inZone ?? []));
  }
  assert.deepEqual(found.map((one) => one.status), ['RUNNING']);
  const [host] = await instances.get({
    project: cloud.project, zone: running.runtimeHost?.gceInstanceHost?.zone ?? `${cloud.region}-b`, instance: found[0].name,
  });
  assert.equal(host.id, found[0].id);

  await done(await workstations.stopWorkstation({ name }));
  await done(await workstations.deleteWorkstation({ name }));
  await assert.rejects(workstations.getWorkstation({ name }), { code: 5 });
});

test('a list comes in pages', async () => {
  for (let i = 0; i < 5; ++i) {
    await done(await workstations.createWorkstation({ parent: config, workstationId: `ws-page-${i}`, workstation: {} }));
  }
  const [page, next] = await workstations.listWorkstations({ parent: config, pageSize: 2 }, { autoPaginate: false });
  assert.equal(page.length, 2);
  assert.ok(next.pageToken);
  const [all] = await workstations.listWorkstations({ parent: config, pageSize: 2 });
  assert.deepEqual(all.map((one) => one.name.split('/').pop()), [0, 1, 2, 3, 4].map((i) => `ws-page-${i}`));
  for (const { name } of all) await done(await workstations.deleteWorkstation({ name }));
});

test('a config keeps its enums and changes by mask', async () => {
  const made = await done(
    await workstations.createWorkstationConfig({
      parent: cluster,
      workstationConfigId: 'kept-home',
      workstationConfig: {
        host: { gceInstance: { machineType: 'e2-medium', bootDiskSizeGb: 50 } },
        persistentDirectories: [
          { mountPath: '/home', gcePd: { sizeGb: 50, diskType: 'pd-ssd', reclaimPolicy: 'RETAIN' } },
        ],
        idleTimeout: { seconds: 600 },
      },
    }),
  );
  assert.equal(made.persistentDirectories[0].gcePd.reclaimPolicy, ReclaimPolicy.RETAIN);
  assert.equal(Number(made.idleTimeout.seconds), 600);
  const changed = await done(
    await workstations.updateWorkstationConfig({
      workstationConfig: { name: made.name, host: { gceInstance: { machineType: 'e2-highmem-4' } } },
      updateMask: { paths: ['host.gce_instance.machine_type'] },
    }),
  );
  assert.equal(changed.host.gceInstance.machineType, 'e2-highmem-4');
  assert.equal(changed.host.gceInstance.bootDiskSizeGb, 50);
  await done(await workstations.deleteWorkstationConfig({ name: made.name }));
});

// WP-11, WP-12
test('errors arrive with their canonical code and details', async () => {
  const create = () => workstations.createWorkstation({ parent: config, workstationId: 'ws-error', workstation: {} });
  await post('/simulator/faults', { kind: 'quota', call: 'workstations.create' });
  await assert.rejects(create(), (error) => {
    assert.equal(error.code, 7);
    assert.equal(error.reason, 'QUOTA_EXCEEDED');
    return true;
  });
  await fetch(`${cloud.url}/simulator/faults`, { method: 'DELETE' });
  // Without details: this client does not know their types inside an operation.
  await post('/simulator/faults', { kind: 'operation_fails', code: 'FAILED_PRECONDITION', call: 'workstations.create' });
  await assert.rejects(create().then(done), { code: 9 });
  await fetch(`${cloud.url}/simulator/faults`, { method: 'DELETE' });
  await assert.rejects(workstations.getWorkstation({ name: `${config}/workstations/ws-error` }), { code: 5 });
});

for (const file of ['service-account.json', 'external-account.json', 'external-account-file.json']) {
  test(`${file} leads to a token that is taken`, async () => {
    const credentials = JSON.parse(readFileSync(join(cloud.credentials, file), 'utf8'));
    const auth = new GoogleAuth({ credentials, scopes: 'https://www.googleapis.com/auth/cloud-platform' });
    const client = await auth.getClient();
    // For a service account the library knows only Google's own token endpoint: what it sends there goes to the cloud.
    client.transporter.interceptors.request.add({
      resolved: async (request) => {
        if (request.url.hostname === 'oauth2.googleapis.com') request.url = new URL(`${cloud.url}/token`);
        return request;
      },
    });
    const answer = await client.request({ url: `${cloud.url}/v1/${cluster}` });
    assert.equal(answer.data.name, cluster);
  });
}

test('the metadata server gives tokens and identity', async () => {
  process.env.GCE_METADATA_HOST = `127.0.0.1:${cloud.port}`;
  const { Compute } = await import('google-auth-library');
  const client = new Compute();
  const answer = await client.request({ url: `${cloud.url}/v1/${cluster}` });
  assert.equal(answer.data.name, cluster);
  const token = await client.fetchIdToken('https://hub.example');
  const certificates = await (await fetch(`${cloud.url}/oauth2/v3/certs`)).json();
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  assert.equal(claims.aud, 'https://hub.example');
  const { kid } = JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
  assert.equal(certificates.keys[0].kid, kid);
});
