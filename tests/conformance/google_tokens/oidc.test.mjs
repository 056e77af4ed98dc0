// Identity tokens that public libraries sign, as Pub/Sub's push would bear them, judged by the hub's verifier.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { OAuth2Server } from "oauth2-mock-server";

import { startProbe, startServer } from "./probe.mjs";

const kAudience = "https://hub.example.com/pubsub/push";
const kIssuer = "https://accounts.google.com";

let probe;

before(() => {
  probe = startProbe();
});
after(() => probe?.stop());

async function verify(token, jwks_url, more = {}) {
  return probe.ask("verify", { token, jwks_url, audience: kAudience, issuers: [kIssuer], ...more });
}

// An issuer with one key of each algorithm.
async function startIssuer(...algorithms) {
  const keys = {};
  const published = [];
  for (const algorithm of algorithms) {
    const pair = await generateKeyPair(algorithm, { extractable: true });
    keys[algorithm] = pair.privateKey;
    published.push({ ...(await exportJWK(pair.publicKey)), kid: algorithm, alg: algorithm, use: "sig" });
  }
  const server = await startServer(() => ({ headers: { "Cache-Control": "max-age=600" }, body: { keys: published } }));
  const sign = (algorithm, change = (token) => token) =>
    change(
      new SignJWT({ email: "push@p.iam.gserviceaccount.com", email_verified: true })
        .setProtectedHeader({ alg: algorithm, kid: algorithm, typ: "JWT" })
        .setIssuer(kIssuer)
        .setAudience(kAudience)
        .setSubject("1")
        .setIssuedAt()
        .setExpirationTime("1h"),
    ).sign(keys[algorithm]);
  return { ...server, sign, published };
}

test("RS256 and ES256 of jose are taken", async (context) => {
  const issuer = await startIssuer("RS256", "ES256");
  context.after(issuer.stop);
  for (const algorithm of ["RS256", "ES256"]) {
    const { result, error } = await verify(await issuer.sign(algorithm), issuer.url, {
      email: "push@p.iam.gserviceaccount.com",
    });
    assert.equal(error, undefined, JSON.stringify(error));
    assert.equal(result.sub, "1");
  }
});

test("good signatures of other algorithms are refused", async (context) => {
  const algorithms = ["RS384", "RS512", "PS256", "ES384", "Ed25519"];
  const issuer = await startIssuer(...algorithms);
  context.after(issuer.stop);
  for (const algorithm of algorithms) {
    const { error } = await verify(await issuer.sign(algorithm), issuer.url);
    assert.equal(error?.code, "UNAUTHENTICATED", algorithm);
  }
});

test("what jose makes for others, for another time, or without a signature is refused", async (context) => {
  const issuer = await startIssuer("RS256");
  context.after(issuer.stop);
  const bad = [
    (token) => token.setAudience("https://other.example.com"),
    (token) => token.setAudience([kAudience, "https://other.example.com"]),
    (token) => token.setIssuer("https://accounts.example.com"),
    (token) => token.setExpirationTime("-1h"),
    (token) => token.setIssuedAt("5m").setExpirationTime("1h"),
    (token) => token.setNotBefore("5m"),
  ];
  for (const change of bad) {
    const { error } = await verify(await issuer.sign("RS256", change), issuer.url);
    assert.equal(error?.code, "UNAUTHENTICATED", change.toString());
  }
  const unsigned = new UnsecuredJWT({}).setIssuer(kIssuer).setAudience(kAudience).setExpirationTime("1h").encode();
  assert.equal((await verify(unsigned, issuer.url)).error?.code, "UNAUTHENTICATED");
  const secret = new TextEncoder().encode(JSON.stringify(issuer.published[0]));
  const forged = await new SignJWT({})
    .setProtectedHeader({ alg: "HS256", kid: "RS256" })
    .setIssuer(kIssuer)
    .setAudience(kAudience)
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(secret);
  assert.equal((await verify(forged, issuer.url)).error?.code, "UNAUTHENTICATED");
});

test("a whole issuer of somebody else's is understood", async (context) => {
  const server = new OAuth2Server();
  await server.issuer.keys.generate("RS256");
  await server.start(0, "127.0.0.1");
  context.after(() => server.stop());
  server.service.once("beforeTokenSigning", (token) => {
    token.payload.aud = kAudience;
  });
  const answer = await fetch(`${server.issuer.url}/token`, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded", Authorization: `Basic ${btoa("c:s")}` },
    body: "grant_type=client_credentials",
  });
  const { access_token } = await answer.json();
  const { result, error } = await verify(access_token, `${server.issuer.url}/jwks`, { issuers: [server.issuer.url] });
  assert.equal(error, undefined, JSON.stringify(error));
  assert.equal(result.aud, kAudience);
});
