// The websockets: a machine's agent calling out to the hub, and a user's client reaching its sessions through it.

#include "api/routes.h"
#include "base/digest.h"
#include "base/random.h"
#include "fleet/workspace.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

std::string bearer(const Call& call) {
  const auto header = call.request.headers.get("Authorization").value_or("");
  constexpr std::string_view kScheme = "Bearer ";
  if (!header.starts_with(kScheme))
    throw base::Error(base::ErrorClass::user, "UNAUTHORIZED", "an agent's token is needed");
  return std::string(header.substr(kScheme.size()));
}

// An agent comes with the one-time token that its machine was made with, and gets a credential of its own for it; later
// it comes with that. The token stays good until the agent has shown that it kept the credential (on_ready).
Answer agent(Call& call) {
  const base::Secret shown(bearer(call));
  std::optional<fleet::AgentIdentity> identity;
  co_await read(call.hub, [&](store::Transaction& tx) { identity = fleet::find_agent(tx, fleet::hash_of(shown)); });
  if (!identity) throw base::Error(base::ErrorClass::user, "UNAUTHORIZED", "the agent's token is not known");
  std::optional<base::Secret> credential;
  if (identity->by_token) {
    credential = base::Secret("slac_" + base::random_token(32));
    co_await write(call.hub, [&](store::Transaction& tx) {
      fleet::set_agent_credential(tx, identity->workspace, fleet::hash_of(*credential));
    });
  }
  auto socket = co_await call.exchange.accept_websocket();
  co_await call.hub.agents.serve_agent(identity->workspace, std::move(credential), std::move(socket));
  co_return std::nullopt;
}

Answer client(Call& call) {
  const auto& text = call.parameters.at(0);
  if (!base::is_uuid(text)) throw base::not_found("workspace", text);
  const base::WorkspaceId id(text);
  std::optional<fleet::Workspace> workspace;
  co_await read(call.hub, [&](store::Transaction& tx) { workspace = fleet::get(tx, call.caller->scope(), id); });
  const bool reachable = workspace->status == fleet::WorkspaceStatus::READY || call.hub.agents.connected(id);
  if (!reachable && !workspace->run_id) {
    const bool stopped = workspace->status == fleet::WorkspaceStatus::SUSPENDED;
    throw base::invalid_state(stopped ? "the workspace is stopped; start it first: slipway start " + workspace->name
                                      : "the workspace is not running; see: slipway why " + workspace->name);
  }
  auto socket = co_await call.exchange.accept_websocket();
  co_await call.hub.agents.serve_client(id, std::move(socket));
  co_return std::nullopt;
}

}  // namespace

void add_connect_routes(Router& router) {
  router.add(net::Method::get, "/v1/agent/connect", Permission::open, agent);
  router.add(net::Method::get, "/v1/workspaces/:id/connect", Permission::member, client);
  router.add(net::Method::get, "/workspaces/:id/connect", Permission::member, client);
}

}  // namespace slipway::api
