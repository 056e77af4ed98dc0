// The websocket to a workspace's agent. A browser can send no key with it: a ticket is asked for first, for each anew.

import { SessionError } from "./session.js";

const kConnectMs = 10_000;

/** Answers an open WebSocket. Throws SessionError. */
export async function connectTo(api, workspaceId) {
  const path = `/v1/workspaces/${encodeURIComponent(workspaceId)}`;
  const ticket = await ask(api, `${path}/connect-ticket`);
  const url = new URL(`${path}/connect`, location.href.replace(/^http/, "ws"));
  const socket = new WebSocket(url, ticket.protocols);
  socket.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    const refuse = () => reject(new SessionError("CONNECTION_FAILED", "The workspace cannot be reached.", true));
    const timer = setTimeout(() => (socket.close(), refuse()), kConnectMs);
    socket.onopen = () => (clearTimeout(timer), resolve(socket));
    socket.onclose = () => (clearTimeout(timer), refuse());
  });
}

async function ask(api, path) {
  try {
    return (await api.post(path, {})).data;
  } catch (error) {
    if (!error.code) throw error;
    const passes = error.outcomeUnknown || error.status === 429 || error.status >= 500;
    throw new SessionError(error.code, error.message, passes);
  }
}
