// The websockets: a machine's agent calling out to the hub, and a user's client reaching its sessions through it.
//
// A browser can send no key with a websocket. It asks for a ticket, with its key, and offers that as a subprotocol: not
// in the address, which ends up in logs and histories.

#include <fstream>

#include "api/commit.h"
#include "api/query.h"
#include "api/routes.h"
#include "base/digest.h"
#include "base/random.h"
#include "fleet/connect_ticket.h"
#include "fleet/workspace.h"
#include "net/event_loop.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::string_view kSessionProtocol = "slipway.v1";
constexpr std::string_view kTicketProtocol = "slipway.ticket.";

struct ConnectTicket {
  std::vector<std::string> protocols;
  base::Instant expires_at;
};
SLIPWAY_JSON_SNAKE(ConnectTicket, protocols, expires_at)
inline const json::Rules& json_rules(const ConnectTicket*) {
  static const json::Rules rules{
      {.member = "protocols", .description = "To be offered as the websocket's subprotocols, as they are"}};
  return rules;
}

std::string bearer(const Call& call) {
  const auto header = call.request.headers.get("Authorization").value_or("");
  constexpr std::string_view kScheme = "Bearer ";
  if (!header.starts_with(kScheme))
    throw base::Error(base::ErrorClass::user, "UNAUTHORIZED", "an agent's token is needed");
  return std::string(header.substr(kScheme.size()));
}

net::Awaitable<fleet::AgentIdentity> known_agent(Call& call, const base::Secret& shown) {
  std::optional<fleet::AgentIdentity> identity;
  co_await read(call.hub, [&](store::Transaction& tx) { identity = fleet::find_agent(tx, fleet::hash_of(shown)); });
  if (!identity) throw base::Error(base::ErrorClass::user, "UNAUTHORIZED", "the agent's token is not known");
  co_return *std::move(identity);
}

// An agent comes with the token that its machine was made with, and gets a credential of its own for it; later it comes
// with that. How long the token is good: fleet/workspace.h.
Answer agent(Call& call) {
  const auto identity = co_await known_agent(call, base::Secret(bearer(call)));
  std::optional<base::Secret> credential;
  if (identity.by_token) {
    credential = base::Secret("slac_" + base::random_token(32));
    co_await write(call.hub, [&](store::Transaction& tx) {
      fleet::set_agent_credential(tx, identity.workspace, fleet::hash_of(*credential));
    });
  }
  auto socket = co_await call.exchange.accept_websocket();
  co_await call.hub.agents.serve_agent(identity.workspace, std::move(credential), std::move(socket));
  co_return std::nullopt;
}

// For the first start of a machine that a template makes: its image need not have the program.
Answer agent_program(Call& call) {
  parse_query<NoQuery>(call);
  co_await known_agent(call, base::Secret(bearer(call)));
  auto content = co_await net::run_blocking(call.hub.io, call.hub.workers, [&call] {
    std::ifstream file(call.hub.agent_program, std::ios::binary);
    std::string program(std::istreambuf_iterator<char>(file), {});
    if (program.empty())
      throw base::Error(base::ErrorClass::internal, "NO_AGENT_PROGRAM",
                        "the agent program cannot be read: " + call.hub.agent_program);
    return program;
  });
  co_return bytes(call.meta(), std::move(content));
}

base::WorkspaceId workspace_id(const Call& call) {
  const auto& text = call.parameters.at(0);
  if (!base::is_uuid(text)) throw base::not_found("workspace", text);
  return base::WorkspaceId(text);
}

// A page of another site has no ticket of ours; nor shall it try one that it came by. Only browsers send an Origin.
void refuse_other_sites(const net::Request& request) {
  const auto origin = request.headers.get("Origin");
  if (!origin) return;
  const auto scheme_end = origin->find("://");
  const auto host = request.headers.get("Host").value_or("");
  if (scheme_end == std::string_view::npos || !net::equal_ignoring_case(origin->substr(scheme_end + 3), host))
    throw base::Error(base::ErrorClass::user, "FORBIDDEN", "a websocket is opened by the hub's own pages only");
}

// Takes one offer after the other from the header, until one is a ticket.
std::optional<base::Secret> offered_ticket(const net::Request& request) {
  std::string_view offers = request.headers.get("Sec-WebSocket-Protocol").value_or("");
  while (!offers.empty()) {
    const auto comma = offers.find(',');
    std::string_view offer = offers.substr(0, comma);
    offers.remove_prefix(comma == std::string_view::npos ? offers.size() : comma + 1);
    offer.remove_prefix(std::min(offer.find_first_not_of(" \t"), offer.size()));
    if (offer.starts_with(kTicketProtocol)) return base::Secret(std::string(offer.substr(kTicketProtocol.size())));
  }
  return std::nullopt;
}

net::Awaitable<void> admit_by_ticket(Call& call, const base::WorkspaceId& id) {
  const auto ticket = offered_ticket(call.request);
  std::optional<fleet::ApiKey> holder;
  bool is_known = false;
  if (ticket) co_await read(call.hub, [&](store::Transaction& tx) { is_known = fleet::is_ticket(tx, *ticket); });
  if (is_known)
    co_await write(call.hub, [&](store::Transaction& tx) {
      holder = fleet::redeem_ticket(tx, *ticket, id, call.hub.clock.now());
    });
  if (!holder)
    throw base::Error(base::ErrorClass::user, "UNAUTHORIZED",
                      ticket ? "this ticket is used, too old, or for another workspace"
                             : "an API key is needed, or a ticket: POST …/connect-ticket");
  call.caller = Caller{holder->user_id, holder->user_name, holder->role, holder->id.str()};
}

// A workspace that a run is at work on may be there in a moment.
void expect_reachable(const Call& call, const fleet::Workspace& workspace) {
  const bool ready = workspace.status == fleet::WorkspaceStatus::READY;
  if (ready || workspace.run_id || call.hub.agents.connected(workspace.id)) return;
  const bool stopped = workspace.status == fleet::WorkspaceStatus::SUSPENDED;
  throw base::invalid_state(stopped ? "the workspace is stopped; start it first: slipway start " + workspace.name
                                    : "the workspace is not running; see: slipway why " + workspace.name);
}

Answer give_ticket(Call& call) {
  parse_query<NoQuery>(call);
  const auto id = workspace_id(call);
  std::optional<fleet::Workspace> workspace;
  const auto look = [&](store::Transaction& tx) { workspace = fleet::get(tx, call.caller->scope(), id); };
  if (auto earlier = co_await look_unless_answered(call, look)) co_return std::move(*earlier);
  expect_reachable(call, *workspace);
  const auto ticket = fleet::make_ticket();
  const auto now = call.hub.clock.now();
  const ConnectTicket answer{
      .protocols = {std::string(kSessionProtocol), std::string(kTicketProtocol) + ticket.reveal()},
      .expires_at = now + fleet::kTicketGoodFor};
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::insert_ticket(tx, ticket, id, base::KeyId(call.caller->key_id), now);
    return Deed{.answer = call.success(201, json::to_value(answer)),
                .action = "workspace.connect-ticket",
                .resource_type = "workspace",
                .resource_id = id.str()};
  });
  co_return std::move(committed.answer);
}

Answer client(Call& call) {
  parse_query<NoQuery>(call);
  const auto id = workspace_id(call);
  refuse_other_sites(call.request);
  if (!call.caller) co_await admit_by_ticket(call, id);
  std::optional<fleet::Workspace> workspace;
  co_await read(call.hub, [&](store::Transaction& tx) { workspace = fleet::get(tx, call.caller->scope(), id); });
  expect_reachable(call, *workspace);
  // A browser closes a connection whose answer names none of the subprotocols that it offered.
  std::optional<std::string> protocol;
  if (call.request.headers.contains_token("Sec-WebSocket-Protocol", kSessionProtocol)) protocol = kSessionProtocol;
  auto socket = co_await call.exchange.accept_websocket(std::move(protocol));
  co_await call.hub.agents.serve_client(id, std::move(socket));
  co_return std::nullopt;
}

}  // namespace

void add_connect_routes(Router& router) {
  router.add(net::Method::get, "/v1/agent/connect", Permission::open, agent,
             {.id = "connectAgent",
              .tag = "Workspaces",
              .summary = "The agent's websocket",
              .answer = answer_of(AnswerShape::websocket, 101),
              .hidden = true});
  router.add(net::Method::get, "/v1/agent/program", Permission::open, agent_program,
             {.id = "getAgentProgram",
              .tag = "Workspaces",
              .summary = "The agent program, for machines that templates make",
              .description = "A static program for Linux on the hub's own architecture. Needs the agent's token.",
              .answer = answer_of(AnswerShape::bytes),
              .errors = {401}});
  Operation connect{.id = "connectWorkspace",
                    .tag = "Workspaces",
                    .summary = "A websocket to the workspace's agent: terminals, commands, files, ports",
                    .description =
                        "Needs a key, or a ticket as a subprotocol. What is said on it is described in "
                        "docs/agent-protocol.md.",
                    .answer = answer_of(AnswerShape::websocket, 101),
                    .errors = {401, 403, 409, 426}};
  Operation ticket{.id = "createConnectTicket",
                   .tag = "Workspaces",
                   .summary = "A ticket for the websocket, for browsers",
                   .description = "Good once, within a minute: a browser cannot send a key with a websocket.",
                   .answer = one<ConnectTicket>(201),
                   .errors = {409}};
  for (const std::string base : {"/v1/workspaces/:id", "/workspaces/:id"}) {
    // Open to the router, because a ticket is no key: `client` lets in who has either.
    router.add(net::Method::get, base + "/connect", Permission::open, client, connect);
    router.add(net::Method::post, base + "/connect-ticket", Permission::member, give_ticket, ticket);
    connect.hidden = ticket.hidden = true;  // the spelling from before there were versions
  }
}

}  // namespace slipway::api
