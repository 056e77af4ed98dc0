#include "agent/hub.h"

#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>

namespace slipway::agent {
namespace {

using namespace std::chrono_literals;
using base::WorkspaceId;
using net::Awaitable;
using Steady = std::chrono::steady_clock;

// RFC 6455 section 7.4.1, and ours above 4000.
constexpr std::uint16_t kGoingAway = 1001;
constexpr std::uint16_t kProtocolError = 1002;
constexpr std::uint16_t kPolicyViolation = 1008;
constexpr std::uint16_t kReplaced = 4001;

// An agent that beats faster than this is not listened to: each beat costs writes elsewhere.
constexpr auto kShortestBeat = 500ms;

struct AgentLeg;

struct ClientLeg {
  struct Target {
    std::shared_ptr<AgentLeg> agent;
    std::uint32_t channel;  // the agent's number of it
  };
  ClientLeg(net::IoContext& io, WorkspaceId id, std::unique_ptr<net::WebSocket> ws)
      : workspace(std::move(id)), socket(std::move(ws)), changed(io) {}

  WorkspaceId workspace;
  std::unique_ptr<net::WebSocket> socket;
  std::map<std::uint32_t, Target> targets;  // by the client's channel
  std::deque<std::string> queue;
  std::size_t queued_bytes = 0;
  bool over = false;
  net::Signal changed;
};

struct AgentLeg {
  struct Source {
    std::shared_ptr<ClientLeg> client;
    std::uint32_t channel;  // the client's number of it
  };
  AgentLeg(WorkspaceId id, std::unique_ptr<net::WebSocket> ws) : workspace(std::move(id)), socket(std::move(ws)) {}

  WorkspaceId workspace;
  std::unique_ptr<net::WebSocket> socket;
  Hello hello;
  bool ready = false;
  std::unordered_map<std::uint32_t, Source> sources;  // by the agent's channel
  std::uint32_t last_channel = kConnectionChannel;    // never used twice on a connection
  std::optional<Steady::time_point> last_beat;
  std::map<SessionKind, base::Instant> activity_told;
};

net::Message binary(std::string data) { return {.text = false, .data = std::move(data)}; }

// A socket that goes at once would take its close frame, and the reason in it, with it.
Awaitable<void> read_to_end(net::WebSocket& socket) {
  while (co_await socket.read()) {
  }
}

void ignore_failure(std::exception_ptr) {}  // of tasks that end when their socket does

}  // namespace

struct AgentHub::Impl {
  struct AgentPresence;
  struct ClientPresence;

  Impl(net::IoContext& context, const base::Clock& c, HubEvents e, HubOptions o)
      : io(context), clock(c), events(std::move(e)), options(o), tasks(context, ignore_failure), changed(context) {}

  Awaitable<void> serve_agent(std::shared_ptr<AgentLeg> leg, std::optional<base::Secret> credential);
  Awaitable<void> greet(AgentLeg& leg, std::optional<base::Secret> credential);
  Awaitable<Frame> read_greeting(AgentLeg& leg, FrameType expected);
  Awaitable<void> close_unless_ready(std::shared_ptr<AgentLeg> leg);
  void register_agent(const std::shared_ptr<AgentLeg>& leg);
  void unregister_agent(const std::shared_ptr<AgentLeg>& leg);
  void on_agent_message(AgentLeg& leg, std::string message);
  void tell_activity(AgentLeg& leg, SessionKind kind, base::Instant at);
  void on_heartbeat(AgentLeg& leg, const Heartbeat& heartbeat);
  void to_client(AgentLeg& leg, FrameHead head, std::string message);

  Awaitable<void> serve_client(std::shared_ptr<ClientLeg> leg);
  Awaitable<void> on_client_message(std::shared_ptr<ClientLeg> leg, std::string message);
  Awaitable<void> open_channel(std::shared_ptr<ClientLeg> leg, std::uint32_t channel, std::string message);
  Awaitable<void> to_agent(std::shared_ptr<ClientLeg> leg, FrameHead head, std::string message);
  Awaitable<std::shared_ptr<AgentLeg>> wait_for_agent(WorkspaceId workspace);
  Awaitable<void> detach_all(std::shared_ptr<ClientLeg> leg);
  Awaitable<void> pump(std::shared_ptr<ClientLeg> leg);
  void enqueue(ClientLeg& leg, std::string message);
  void tell_closed(ClientLeg& leg, std::uint32_t channel, std::string code, std::string message);

  net::IoContext& io;
  const base::Clock& clock;
  HubEvents events;
  HubOptions options;
  net::TaskGroup tasks;
  net::Signal changed;  // an agent came, a connection ended, or we stop
  std::unordered_map<WorkspaceId, std::shared_ptr<AgentLeg>> agents;
  std::set<std::shared_ptr<AgentLeg>> agent_legs;  // those that still greet, and those replaced, too
  std::set<std::shared_ptr<ClientLeg>> client_legs;
  bool stopping = false;
};

// ---- agents

Awaitable<void> AgentHub::Impl::serve_agent(std::shared_ptr<AgentLeg> leg, std::optional<base::Secret> credential) {
  try {
    co_await greet(*leg, std::move(credential));
    register_agent(leg);
    while (auto message = co_await leg->socket->read()) on_agent_message(*leg, std::move(message->data));
  } catch (const base::Error& error) {
    leg->socket->close(kProtocolError, error.message());
  }
  co_await read_to_end(*leg->socket);
}

Awaitable<Frame> AgentHub::Impl::read_greeting(AgentLeg& leg, FrameType expected) {
  auto message = co_await leg.socket->read();
  if (!message) throw base::Error(base::ErrorClass::transient, "CONNECTION_CLOSED", "the agent left while greeting");
  Frame frame = decode(message->data);
  if (frame.type != expected) throw protocol_error("the greeting is out of order");
  co_return frame;
}

Awaitable<void> AgentHub::Impl::greet(AgentLeg& leg, std::optional<base::Secret> credential) {
  const Frame hello = co_await read_greeting(leg, FrameType::hello);
  leg.hello = read_message<Hello>(hello.payload);
  if (leg.hello.oldest_protocol > kProtocolVersion || leg.hello.protocol < kOldestProtocolVersion)
    throw protocol_error("agent and hub have no protocol version in common");
  const Welcome welcome{.protocol = std::min(leg.hello.protocol, kProtocolVersion),
                        .credential = std::move(credential),
                        .heartbeat_interval_ms = options.heartbeat_interval};
  co_await leg.socket->write(binary(encode(control_frame(FrameType::welcome, kConnectionChannel, welcome))));
  co_await read_greeting(leg, FrameType::ready);
}

Awaitable<void> AgentHub::Impl::close_unless_ready(std::shared_ptr<AgentLeg> leg) {
  co_await net::sleep_for(options.greeting_time);
  if (!leg->ready) leg->socket->close(kPolicyViolation, "the greeting took too long");
}

void AgentHub::Impl::register_agent(const std::shared_ptr<AgentLeg>& leg) {
  if (stopping) return;
  leg->ready = true;
  auto& place = agents[leg->workspace];
  const auto older = std::exchange(place, leg);
  if (older) {
    unregister_agent(older);
    older->socket->close(kReplaced, "a newer connection of this agent took over");
  }
  if (events.on_ready) events.on_ready(leg->workspace, leg->hello);
  changed.notify_all();
}

// Its clients are told to come again: the agent, if it lives, still has their sessions.
void AgentHub::Impl::unregister_agent(const std::shared_ptr<AgentLeg>& leg) {
  for (const auto& [unused, source] : std::exchange(leg->sources, {})) {
    source.client->targets.erase(source.channel);
    tell_closed(*source.client, source.channel, "AGENT_DISCONNECTED", "the workspace's agent lost its connection");
  }
  const auto place = agents.find(leg->workspace);
  if (place == agents.end() || place->second != leg) return;
  agents.erase(place);
  if (events.on_disconnect) events.on_disconnect(leg->workspace);
}

void AgentHub::Impl::on_agent_message(AgentLeg& leg, std::string message) {
  const FrameHead head = decode_head(message);
  switch (head.type) {
    case FrameType::heartbeat:
      return on_heartbeat(leg, read_message<Heartbeat>(decode(message).payload));
    case FrameType::opened:
    case FrameType::close:
    case FrameType::data:
    case FrameType::ack:
    case FrameType::eof:
      return to_client(leg, head, std::move(message));
    default:
      throw protocol_error("an agent must not send this type of frame");
  }
}

void AgentHub::Impl::on_heartbeat(AgentLeg& leg, const Heartbeat& heartbeat) {
  const auto now = Steady::now();
  if (leg.last_beat && now - *leg.last_beat < kShortestBeat) return;
  leg.last_beat = now;
  for (const auto& activity : heartbeat.activity) {
    if (activity.idle_ms < 0ms) continue;
    tell_activity(leg, activity.kind, clock.now() - std::min<base::Duration>(activity.idle_ms, 24h * 365));
  }
}

void AgentHub::Impl::tell_activity(AgentLeg& leg, SessionKind kind, base::Instant at) {
  auto [told, first] = leg.activity_told.try_emplace(kind, at);
  // What is idle moves by the beat's delay on the way: not by enough to be news.
  if (!first && at <= told->second + kShortestBeat) return;
  told->second = at;
  if (events.on_activity) events.on_activity(leg.workspace, kind, at);
}

void AgentHub::Impl::to_client(AgentLeg& leg, FrameHead head, std::string message) {
  const auto found = leg.sources.find(head.channel);
  if (found == leg.sources.end()) return;  // the client left while this was on its way
  const AgentLeg::Source source = found->second;
  if (head.type == FrameType::close) {
    leg.sources.erase(found);
    source.client->targets.erase(source.channel);
  }
  replace_channel(message, source.channel);
  enqueue(*source.client, std::move(message));
}

// ---- clients

Awaitable<void> AgentHub::Impl::serve_client(std::shared_ptr<ClientLeg> leg) {
  tasks.spawn(pump(leg));
  try {
    while (auto message = co_await leg->socket->read()) co_await on_client_message(leg, std::move(message->data));
  } catch (const base::Error& error) {
    leg->socket->close(kProtocolError, error.message());
  }
  co_await detach_all(leg);
  co_await read_to_end(*leg->socket);
}

Awaitable<void> AgentHub::Impl::on_client_message(std::shared_ptr<ClientLeg> leg, std::string message) {
  const FrameHead head = decode_head(message);
  switch (head.type) {
    case FrameType::open:
      co_return co_await open_channel(leg, head.channel, std::move(message));
    case FrameType::close:
    case FrameType::data:
    case FrameType::ack:
    case FrameType::eof:
      co_return co_await to_agent(leg, head, std::move(message));
    default:
      throw protocol_error("a client must not send this type of frame");
  }
}

Awaitable<void> AgentHub::Impl::open_channel(std::shared_ptr<ClientLeg> leg, std::uint32_t channel,
                                             std::string message) {
  if (channel == kConnectionChannel || leg->targets.contains(channel))
    throw protocol_error("the channel of an open is zero or in use");
  if (leg->targets.size() >= options.channels_per_client) throw protocol_error("too many channels on one connection");
  const auto agent = co_await wait_for_agent(leg->workspace);
  if (!agent) {
    tell_closed(*leg, channel, "AGENT_UNAVAILABLE", "no agent of this workspace is connected");
    co_return;
  }
  // Who comes is told at once; the agent's beats tell how long they stay busy. What cannot be read, the agent refuses.
  try {
    tell_activity(*agent, read_message<OpenRequest>(decode(message).payload).kind, clock.now());
  } catch (const base::Error&) {
  }
  const std::uint32_t agent_channel = ++agent->last_channel;
  agent->sources.emplace(agent_channel, AgentLeg::Source{leg, channel});
  leg->targets.emplace(channel, ClientLeg::Target{agent, agent_channel});
  co_await to_agent(leg, {FrameType::open, channel}, std::move(message));
}

Awaitable<std::shared_ptr<AgentLeg>> AgentHub::Impl::wait_for_agent(WorkspaceId workspace) {
  const auto deadline = Steady::now() + options.agent_wait;
  for (;;) {
    if (const auto found = agents.find(workspace); found != agents.end()) co_return found->second;
    const auto left = std::chrono::ceil<base::Duration>(deadline - Steady::now());
    if (stopping || left <= 0ms) co_return nullptr;
    co_await changed.wait_for(left);
  }
}

// The wait for the agent's socket is the client's back-pressure: it is not read meanwhile.
Awaitable<void> AgentHub::Impl::to_agent(std::shared_ptr<ClientLeg> leg, FrameHead head, std::string message) {
  const auto found = leg->targets.find(head.channel);
  if (found == leg->targets.end()) co_return;  // closed while this was on its way
  const ClientLeg::Target target = found->second;
  if (head.type == FrameType::close) {
    leg->targets.erase(found);
    target.agent->sources.erase(target.channel);
  }
  replace_channel(message, target.channel);
  try {
    co_await target.agent->socket->write(binary(std::move(message)));
  } catch (const base::Error&) {
    // The agent's own loop notices, and tells this client.
  }
}

Awaitable<void> AgentHub::Impl::detach_all(std::shared_ptr<ClientLeg> leg) {
  while (!leg->targets.empty()) {
    const ClientLeg::Target target = leg->targets.begin()->second;
    leg->targets.erase(leg->targets.begin());
    target.agent->sources.erase(target.channel);
    Frame detach;
    detach.type = FrameType::detach;
    detach.channel = target.channel;
    try {
      co_await target.agent->socket->write(binary(encode(detach)));
    } catch (const base::Error&) {
      // A connection that ended detaches everything.
    }
  }
}

Awaitable<void> AgentHub::Impl::pump(std::shared_ptr<ClientLeg> leg) {
  while (!leg->over) {
    if (leg->queue.empty()) {
      co_await leg->changed.wait();
      continue;
    }
    std::string message = std::move(leg->queue.front());
    leg->queue.pop_front();
    leg->queued_bytes -= message.size();
    co_await leg->socket->write(binary(std::move(message)));
  }
}

void AgentHub::Impl::enqueue(ClientLeg& leg, std::string message) {
  if (leg.over) return;
  leg.queued_bytes += message.size();
  leg.queue.push_back(std::move(message));
  if (leg.queued_bytes > options.client_queue_bytes) {
    leg.over = true;
    leg.queue.clear();
    leg.socket->close(kPolicyViolation, "the client does not read what it acknowledges");
  }
  leg.changed.notify_all();
}

void AgentHub::Impl::tell_closed(ClientLeg& leg, std::uint32_t channel, std::string code, std::string message) {
  const Closed closed{.code = std::move(code), .message = std::move(message), .retry = true};
  enqueue(leg, encode(control_frame(FrameType::close, channel, closed)));
}

// However a connection ends, cancelled coroutines included, it leaves the lists.
struct AgentHub::Impl::AgentPresence {
  AgentPresence(Impl& i, std::shared_ptr<AgentLeg> l) : impl(i), leg(std::move(l)) { impl.agent_legs.insert(leg); }
  ~AgentPresence() {
    impl.unregister_agent(leg);
    impl.agent_legs.erase(leg);
    impl.changed.notify_all();
  }
  Impl& impl;
  std::shared_ptr<AgentLeg> leg;
};

struct AgentHub::Impl::ClientPresence {
  ClientPresence(Impl& i, std::shared_ptr<ClientLeg> l) : impl(i), leg(std::move(l)) { impl.client_legs.insert(leg); }
  ~ClientPresence() {
    leg->over = true;
    leg->changed.notify_all();
    for (const auto& [unused, target] : leg->targets) target.agent->sources.erase(target.channel);
    leg->targets.clear();
    impl.client_legs.erase(leg);
    impl.changed.notify_all();
  }
  Impl& impl;
  std::shared_ptr<ClientLeg> leg;
};

// ---- the face

AgentHub::AgentHub(net::IoContext& io, const base::Clock& clock, HubEvents events, HubOptions options)
    : impl_(std::make_shared<Impl>(io, clock, std::move(events), options)) {}

AgentHub::~AgentHub() { SLIPWAY_ASSERT(impl_->agent_legs.empty() && impl_->client_legs.empty()); }

Awaitable<void> AgentHub::serve_agent(WorkspaceId workspace, std::optional<base::Secret> credential,
                                      std::unique_ptr<net::WebSocket> socket) {
  const auto impl = impl_;
  const auto leg = std::make_shared<AgentLeg>(std::move(workspace), std::move(socket));
  if (impl->stopping) co_return;
  const Impl::AgentPresence presence(*impl, leg);
  impl->tasks.spawn(impl->close_unless_ready(leg));
  co_await impl->serve_agent(leg, std::move(credential));
}

Awaitable<void> AgentHub::serve_client(WorkspaceId workspace, std::unique_ptr<net::WebSocket> socket) {
  const auto impl = impl_;
  const auto leg = std::make_shared<ClientLeg>(impl->io, std::move(workspace), std::move(socket));
  if (impl->stopping) co_return;
  const Impl::ClientPresence presence(*impl, leg);
  co_await impl->serve_client(leg);
}

bool AgentHub::connected(const WorkspaceId& workspace) const { return impl_->agents.contains(workspace); }
std::size_t AgentHub::agents() const { return impl_->agents.size(); }
std::size_t AgentHub::clients() const { return impl_->client_legs.size(); }

void AgentHub::disconnect(const WorkspaceId& workspace) {
  for (const auto& leg : impl_->agent_legs)
    if (leg->workspace == workspace) leg->socket->close(kGoingAway, "the workspace is no more");
  for (const auto& leg : impl_->client_legs)
    if (leg->workspace == workspace) leg->socket->close(kGoingAway, "the workspace is no more");
}

Awaitable<void> AgentHub::stop() {
  const auto impl = impl_;
  impl->stopping = true;
  for (const auto& leg : impl->agent_legs) leg->socket->close(kGoingAway, "the hub stops");
  for (const auto& leg : impl->client_legs) leg->socket->close(kGoingAway, "the hub stops");
  impl->changed.notify_all();
  while (!impl->agent_legs.empty() || !impl->client_legs.empty()) co_await impl->changed.wait();
  impl->tasks.cancel();
  co_await impl->tasks.join();
}

}  // namespace slipway::agent
