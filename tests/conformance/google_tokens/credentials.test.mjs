// What the hub sends to token endpoints, judged by `jose`; and the same credential files given to Google's own library,
// which must ask for the same (WP-20).

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";

import { GoogleAuth } from "google-auth-library";
import { exportPKCS8, generateKeyPair, jwtVerify, SignJWT } from "jose";

import { startProbe, startServer } from "./probe.mjs";

const kScope = "https://www.googleapis.com/auth/cloud-platform";
const kAccount = "hub@p.iam.gserviceaccount.com";
const kAudience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/w/providers/o";

let folder;
let keys;
let server;
let probe;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "slipway-google-"));
  keys = await generateKeyPair("RS256", { extractable: true });
  server = await startServer(answer);
  probe = startProbe({ GCE_METADATA_HOST: server.url.slice("http://".length) });
});

after(async () => {
  probe?.stop();
  server?.stop();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(() => server.requests.splice(0));

// A token endpoint, a security token service, IAM credentials and a metadata server that check what they are given.
async function answer({ url, headers, body }) {
  const form = Object.fromEntries(new URLSearchParams(body));
  if (url.pathname === "/token") {
    assert.equal(form.grant_type, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    const { payload, protectedHeader } = await jwtVerify(form.assertion, keys.publicKey, {
      issuer: kAccount,
      audience: `${server.url}/token`,
      algorithms: ["RS256"],
      maxTokenAge: "1h",
      clockTolerance: 0,
    });
    assert.equal(protectedHeader.kid, "key-1");
    assert.equal(payload.scope, kScope);
    assert.ok(payload.exp - payload.iat <= 3600);
    return { body: { access_token: "of-the-account", expires_in: 3599, token_type: "Bearer" } };
  }
  if (url.pathname === "/sts") {
    const { payload } = await jwtVerify(form.subject_token, keys.publicKey, { issuer: "https://idp", audience: "gcp" });
    assert.equal(payload.sub, "hub");
    assert.equal(form.grant_type, "urn:ietf:params:oauth:grant-type:token-exchange");
    assert.equal(form.audience, kAudience);
    assert.equal(form.requested_token_type, "urn:ietf:params:oauth:token-type:access_token");
    assert.equal(form.subject_token_type, "urn:ietf:params:oauth:token-type:jwt");
    assert.equal(form.scope, kScope);
    return {
      body: {
        access_token: "federated",
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
        token_type: "Bearer",
        expires_in: 3599,
      },
    };
  }
  if (url.pathname.endsWith(":generateAccessToken")) {
    assert.equal(headers.authorization, "Bearer federated");
    assert.deepEqual(JSON.parse(body), { scope: [kScope], lifetime: "3600s" });
    return { body: { accessToken: "impersonated", expireTime: new Date(Date.now() + 3_600_000).toISOString() } };
  }
  if (url.pathname.startsWith("/computeMetadata/v1/instance")) {
    assert.equal(headers["metadata-flavor"], "Google");
    const body = url.pathname.endsWith("/token") ? { access_token: "of-the-machine", expires_in: 3599 } : {};
    return { headers: { "Metadata-Flavor": "Google" }, body };
  }
  return { status: 404, body: { error: "not_found" } };
}

async function credentialFile(name, content) {
  const path = join(folder, name);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

async function tokenOf(credentials, endpoints = {}) {
  const opened = await probe.ask("open", { credentials, endpoints });
  assert.equal(opened.error, undefined);
  const { result, error } = await probe.ask("token");
  assert.equal(error, undefined, JSON.stringify(error));
  return result;
}

async function serviceAccountFile() {
  return credentialFile("key.json", {
    type: "service_account",
    project_id: "p",
    private_key_id: "key-1",
    private_key: await exportPKCS8(keys.privateKey),
    client_email: kAccount,
    client_id: "1",
    token_uri: `${server.url}/token`,
  });
}

async function federationFile(more = {}) {
  const subject = await new SignJWT({})
    .setProtectedHeader({ alg: "RS256" })
    .setIssuer("https://idp")
    .setAudience("gcp")
    .setSubject("hub")
    .setExpirationTime("5m")
    .sign(keys.privateKey);
  const source = await credentialFile("subject.json", { id_token: subject });
  return credentialFile("federation.json", {
    type: "external_account",
    audience: kAudience,
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: `${server.url}/sts`,
    credential_source: { file: source, format: { type: "json", subject_token_field_name: "id_token" } },
    ...more,
  });
}

const kImpersonation = `/v1/projects/-/serviceAccounts/${kAccount}:generateAccessToken`;

test("the assertion of a service account is one that jose verifies", async () => {
  assert.equal(await tokenOf({ kind: "file", file: await serviceAccountFile() }), "of-the-account");
});

test("a subject token that jose signed is exchanged", async () => {
  assert.equal(await tokenOf({ kind: "file", file: await federationFile() }), "federated");
});

test("a federated workload speaks as a service account", async () => {
  const file = await federationFile({ service_account_impersonation_url: server.url + kImpersonation });
  assert.equal(await tokenOf({ kind: "file", file }), "impersonated");
});

test("the machine's token comes from GCE_METADATA_HOST", async () => {
  assert.equal(await tokenOf({ kind: "metadata" }), "of-the-machine");
});

// Google's library takes no token_uri of a key file, so a key cannot be compared like this.
test("Google's library asks for the same with the same federation", async () => {
  const shape = () =>
    server.requests.map(({ method, url, headers, body }) => {
      const form = Object.fromEntries(new URLSearchParams(body.startsWith("{") ? "" : body));
      const { grant_type, audience, subject_token_type, requested_token_type, scope, subject_token } = form;
      const parts = [grant_type, audience, subject_token_type, requested_token_type, scope, subject_token];
      return [method, url.pathname, headers.authorization, body.startsWith("{") ? body : "", ...parts].join(" ");
    });
  for (const more of [{}, { service_account_impersonation_url: server.url + kImpersonation }]) {
    const file = await federationFile(more);
    server.requests.splice(0);
    const ours = await tokenOf({ kind: "file", file });
    const oursAsked = shape();
    server.requests.splice(0);
    const theirs = await new GoogleAuth({ keyFilename: file, scopes: [kScope] }).getAccessToken();
    assert.equal(ours, theirs);
    assert.deepEqual(oursAsked, shape());
  }
});
