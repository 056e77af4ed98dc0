#include "agent/agent.h"

#include <deque>
#include <iterator>
#include <map>
#include <unordered_map>

#include "agent/backoff.h"
#include "agent/credential.h"
#include "agent/session.h"
#include "net/websocket.h"

namespace slipway::agent {
namespace {

using namespace std::chrono_literals;
using net::Awaitable;
using Steady = std::chrono::steady_clock;

constexpr std::string_view kConnectPath = "/v1/agent/connect";
constexpr base::Duration kConnectTime = 10s;
constexpr base::Duration kWelcomeTime = 10s;
constexpr base::Duration kSweepInterval = 250ms;  // for sessions kept too long: minutes, so this is precise enough
constexpr base::Duration kFarewellTime = 2s;      // for the last frames when the agent stops
constexpr base::Duration kShortestHeartbeat = 1s, kLongestHeartbeat = 60s;  // whatever the hub says
// Control frames waiting for the connection; above it the hub is not read, and must wait.
constexpr std::size_t kMaxControlQueue = 1024;
constexpr std::uint16_t kNormalClosure = 1000, kProtocolErrorClosure = 1002;
// Another agent of this workspace is there: two that call at once would push each other out for ever.
constexpr std::uint16_t kReplacedClosure = 4001;
// A connection that lived for less was no success: a hub that throws us out at once is not called at once.
constexpr auto kStableTime = 2s;

net::Message binary(std::string data) { return {.text = false, .data = std::move(data)}; }

struct Connection {
  Connection(net::IoContext& io, std::unique_ptr<net::WebSocket> ws) : socket(std::move(ws)), changed(io) {}
  std::unique_ptr<net::WebSocket> socket;
  std::deque<Frame> control;
  bool welcomed = false;
  bool over = false;
  net::Signal changed;
};

}  // namespace

std::string connect_url(const std::string& hub_url) {
  if (hub_url.starts_with("unix:")) return hub_url + ':' + std::string(kConnectPath);
  // As the hub calls itself, too: ws for http, wss for https.
  const std::string url = hub_url.starts_with("http") ? "ws" + hub_url.substr(4) : hub_url;
  if (!url.starts_with("ws://") && !url.starts_with("wss://"))
    throw base::validation_error("hub_url", "must begin with unix:, ws://, wss://, http:// or https://");
  const auto end = url.find_last_not_of('/');
  return url.substr(0, end + 1) + std::string(kConnectPath);
}

struct Agent::Impl {
  Impl(const Machine& m, base::Random& random, AgentOptions o, Log l)
      : machine(m),
        options(std::move(o)),
        log(std::move(l)),
        backoff(random),
        url(connect_url(options.hub_url)),
        boot_id(base::random_token(16)),
        tasks(m.io,
              [this](std::exception_ptr failure) { log("internal: " + std::string(base::as_error(failure).what())); }),
        changed(m.io) {}

  // -- connection
  Awaitable<void> call_and_serve();
  Awaitable<void> serve(std::shared_ptr<Connection> link);
  void leave(Connection& link);
  Awaitable<std::unique_ptr<net::WebSocket>> call();
  Awaitable<void> greet(Connection& link);
  Awaitable<void> close_unless_welcomed(std::shared_ptr<Connection> link);
  Awaitable<void> write_frames(std::shared_ptr<Connection> link);
  std::optional<Frame> next_frame(Connection& link);
  void send(Frame frame);
  Awaitable<void> beat();
  Heartbeat heartbeat();
  void note_usage(const Session& session);

  // -- frames from the hub
  void on_message(const std::string& message);
  void on_frame(const Frame& frame);
  void open(const Frame& frame);
  void attach(Session& session, std::uint32_t channel, const Positions& received, bool resumed);
  void begin_flow(Session& session, std::uint32_t channel, bool resumed);
  void close_channel(std::uint32_t channel, const base::Error& why);
  void release_channel(Session& session);

  // -- sessions
  std::shared_ptr<Session> begin_session(OpenRequest request);
  void end_session(const std::shared_ptr<Session>& session);
  Awaitable<void> kill_later(std::shared_ptr<Session> session);
  void sweep();
  Awaitable<void> sweep_for_ever();
  Awaitable<void> end_everything();

  const Machine& machine;
  AgentOptions options;
  Log log;
  Backoff backoff;
  std::string url;
  std::string boot_id;
  std::optional<base::Secret> credential;
  bool credential_refused = false;
  base::Duration heartbeat_interval = 5s;
  net::TaskGroup tasks;
  net::Signal changed;  // a session ended, or we stop
  std::shared_ptr<Connection> connection;
  std::unordered_map<std::string, std::shared_ptr<Session>> sessions;
  std::unordered_map<std::uint32_t, std::shared_ptr<Session>> channels;
  std::size_t turn = 0;                          // whose frame goes first
  std::map<SessionKind, SteadyTime> last_usage;  // of sessions that are gone, too
  bool stopping = false;
  bool everything_ended = false;
};

// ---- connection

Awaitable<std::unique_ptr<net::WebSocket>> Agent::Impl::call() {
  const auto token = read_secret(options.token_file);
  // A machine that was given a new token has perhaps lost the hub's memory of its credential.
  const bool use_token = token && (!credential || credential_refused);
  const auto& secret = use_token ? token : credential;
  if (!secret) throw base::Error(base::ErrorClass::user, "NO_CREDENTIAL", "there is neither a credential nor a token");
  net::Headers headers;
  headers.set("Authorization", "Bearer " + secret->reveal());
  credential_refused = false;
  try {
    co_return co_await net::connect_websocket(machine.io, url, std::move(headers), kConnectTime);
  } catch (const base::Error& error) {
    credential_refused = !use_token && error.error_class() == base::ErrorClass::user;
    throw;
  }
}

Awaitable<void> Agent::Impl::greet(Connection& link) {
  const Hello hello{
      .version = options.version, .boot_id = boot_id, .capabilities = {"exec", "terminal", "tcp", "ssh", "files"}};
  co_await link.socket->write(binary(encode(control_frame(FrameType::hello, kConnectionChannel, hello))));
  const auto message = co_await link.socket->read();
  if (!message) throw base::Error(base::ErrorClass::transient, "CONNECTION_CLOSED", link.socket->close_reason());
  const Frame frame = decode(message->data);
  if (frame.type != FrameType::welcome) throw protocol_error("the hub did not greet");
  const auto welcome = read_message<Welcome>(frame.payload);
  if (welcome.protocol < kOldestProtocolVersion || welcome.protocol > kProtocolVersion)
    throw protocol_error("the hub chose a protocol version that we do not speak");
  if (welcome.credential) {
    keep_secret(options.state_directory + "/credential", *welcome.credential);
    credential = welcome.credential;
  }
  heartbeat_interval = std::clamp(welcome.heartbeat_interval_ms, kShortestHeartbeat, kLongestHeartbeat);
  Frame ready;
  ready.type = FrameType::ready;
  co_await link.socket->write(binary(encode(ready)));
  link.welcomed = true;
}

Awaitable<void> Agent::Impl::close_unless_welcomed(std::shared_ptr<Connection> link) {
  co_await net::sleep_for(kWelcomeTime);
  if (!link->welcomed) link->socket->close(kProtocolErrorClosure, "the welcome took too long");
}

Awaitable<void> Agent::Impl::call_and_serve() {
  const auto link = std::make_shared<Connection>(machine.io, co_await call());
  tasks.spawn(close_unless_welcomed(link));
  std::exception_ptr failure;
  const auto began = Steady::now();
  try {
    co_await greet(*link);
    co_await serve(link);
  } catch (const base::Error& error) {
    link->socket->close(kProtocolErrorClosure, error.message());
    failure = std::current_exception();
  }
  leave(*link);
  while (co_await link->socket->read()) {
    // Our close frame must get out before the socket goes.
  }
  if (Steady::now() - began >= kStableTime) backoff.reset();
  if (link->socket->close_code() == kReplacedClosure) backoff.wait_longest();
  if (failure) std::rethrow_exception(failure);
}

Awaitable<void> Agent::Impl::serve(std::shared_ptr<Connection> link) {
  log("connected");
  connection = link;
  tasks.spawn(write_frames(link));
  send(control_frame(FrameType::heartbeat, kConnectionChannel, heartbeat()));
  while (const auto message = co_await link->socket->read()) {
    on_message(message->data);
    while (link->control.size() > kMaxControlQueue && !link->over) co_await link->changed.wait();
  }
  log("disconnected: " + link->socket->close_reason());
}

void Agent::Impl::leave(Connection& link) {
  link.over = true;
  link.changed.notify_all();
  connection.reset();
  channels.clear();
  for (const auto& [unused, session] : sessions) session->detach();
}

Awaitable<void> Agent::Impl::write_frames(std::shared_ptr<Connection> link) {
  try {
    while (!link->over) {
      if (auto frame = next_frame(*link))
        co_await link->socket->write(binary(encode(*frame)));
      else
        co_await link->changed.wait();
    }
  } catch (const base::Error&) {
    link->over = true;  // the reader tells why
  }
  link->control.clear();
  link->changed.notify_all();
}

// Control frames first; then each session one frame in turn, so that a loud one does not drown the others.
std::optional<Frame> Agent::Impl::next_frame(Connection& link) {
  if (!link.control.empty()) {
    Frame frame = std::move(link.control.front());
    link.control.pop_front();
    if (link.control.size() == kMaxControlQueue) link.changed.notify_all();
    return frame;
  }
  if (channels.empty()) return std::nullopt;
  auto position = std::next(channels.begin(), std::ptrdiff_t(++turn % channels.size()));
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (auto frame = position->second->next_frame()) return frame;
    if (++position == channels.end()) position = channels.begin();
  }
  return std::nullopt;
}

void Agent::Impl::send(Frame frame) {
  if (!connection) return;
  connection->control.push_back(std::move(frame));
  connection->changed.notify_all();
}

Awaitable<void> Agent::Impl::beat() {
  for (;;) {
    send(control_frame(FrameType::heartbeat, kConnectionChannel, heartbeat()));
    co_await net::sleep_for(heartbeat_interval);
  }
}

Heartbeat Agent::Impl::heartbeat() {
  std::map<SessionKind, int> open;
  for (const auto& [unused, session] : sessions) {
    note_usage(*session);
    if (!session->over()) ++open[session->kind()];
  }
  Heartbeat result;
  for (const auto& [kind, last] : last_usage)
    result.activity.push_back({.kind = kind,
                               .idle_ms = std::chrono::duration_cast<base::Duration>(Steady::now() - last),
                               .open_sessions = open[kind]});
  return result;
}

void Agent::Impl::note_usage(const Session& session) {
  auto& last = last_usage.try_emplace(session.kind(), session.last_activity()).first->second;
  last = std::max(last, session.last_activity());
}

// ---- frames from the hub

// What a client did wrong ends its channel; what the hub did wrong, the connection.
void Agent::Impl::on_message(const std::string& message) {
  const FrameHead head = decode_head(message);
  try {
    on_frame(decode(message));
  } catch (const base::Error& error) {
    if (head.channel == kConnectionChannel) throw;
    close_channel(head.channel, error);
  }
}

void Agent::Impl::on_frame(const Frame& frame) {
  if (frame.channel == kConnectionChannel) throw protocol_error("the hub sent a session's frame without a channel");
  if (frame.type == FrameType::open) return open(frame);
  const auto found = channels.find(frame.channel);
  if (found == channels.end()) return;  // closed while this was on its way
  const auto session = found->second;
  switch (frame.type) {
    case FrameType::data:
    case FrameType::ack:
    case FrameType::eof:
      session->receive(frame);
      if (session->delivered()) end_session(session);
      return;
    case FrameType::close:
      return end_session(session);
    case FrameType::detach:
      return release_channel(*session);
    default:
      throw protocol_error("the hub must not send this type of frame");
  }
}

void Agent::Impl::open(const Frame& frame) {
  auto request = read_message<OpenRequest>(frame.payload);
  validate(request);
  if (channels.contains(frame.channel)) throw protocol_error("the channel is in use");
  const Positions received = request.received;
  const auto found = sessions.find(request.session);
  if (found != sessions.end()) return attach(*found->second, frame.channel, received, true);
  if (request.resume)
    throw base::Error(base::ErrorClass::user, "SESSION_NOT_FOUND", "the session has ended, or the agent was restarted");
  attach(*begin_session(std::move(request)), frame.channel, received, false);
}

void Agent::Impl::attach(Session& session, std::uint32_t channel, const Positions& received, bool resumed) {
  if (const auto former = session.channel()) {
    release_channel(session);
    const base::Error taken(base::ErrorClass::conflict, "SESSION_TAKEN_OVER", "another connection took the session");
    send(control_frame(FrameType::close, *former, Closed{.code = taken.code(), .message = taken.message()}));
  }
  session.set_channel(channel, received);
  channels[channel] = session.shared_from_this();
  if (session.started()) begin_flow(session, channel, resumed);  // else when it has
}

void Agent::Impl::begin_flow(Session& session, std::uint32_t channel, bool resumed) {
  session.begin_flow();
  send(control_frame(FrameType::opened, channel, Opened{.resumed = resumed, .received = session.positions()}));
}

void Agent::Impl::close_channel(std::uint32_t channel, const base::Error& why) {
  if (const auto found = channels.find(channel); found != channels.end()) release_channel(*found->second);
  send(control_frame(FrameType::close, channel, Closed{.code = why.code(), .message = why.message()}));
}

void Agent::Impl::release_channel(Session& session) {
  if (!session.channel()) return;
  const auto channel = *session.channel();
  session.detach();
  channels.erase(channel);
}

// ---- sessions

std::shared_ptr<Session> Agent::Impl::begin_session(OpenRequest request) {
  if (stopping) throw base::Error(base::ErrorClass::user, "AGENT_STOPPING", "the workspace's agent stops");
  if (sessions.size() >= kMaxSessions)
    throw base::Error(base::ErrorClass::quota, "TOO_MANY_SESSIONS", "the workspace has 256 sessions already");
  Session::Callbacks callbacks;
  callbacks.on_started = [this](Session& session) {
    if (!session.channel()) return;
    const auto channel = *session.channel();
    try {
      begin_flow(session, channel, false);
    } catch (const base::Error& error) {
      close_channel(channel, error);
    }
  };
  callbacks.on_refused = [this](Session& session, const base::Error& error) {
    const auto kept = session.shared_from_this();
    if (session.channel()) close_channel(*session.channel(), error);
    end_session(kept);
  };
  callbacks.on_change = [this] {
    if (connection) connection->changed.notify_all();
    changed.notify_all();
  };
  auto session = std::make_shared<Session>(machine, std::move(request), std::move(callbacks));
  sessions.emplace(session->id(), session);
  session->start(tasks);
  return session;
}

// The client is done with it, or it was kept for long enough.
void Agent::Impl::end_session(const std::shared_ptr<Session>& session) {
  release_channel(*session);
  if (sessions.erase(session->id()) == 0) return;
  note_usage(*session);
  changed.notify_all();
  if (session->over()) return;
  session->drop();
  tasks.spawn(kill_later(session));
}

Awaitable<void> Agent::Impl::kill_later(std::shared_ptr<Session> session) {
  const auto deadline = Steady::now() + options.hang_up_grace;
  while (!session->over() && Steady::now() < deadline) co_await changed.wait_for(kSweepInterval);
  if (!session->over()) session->kill();
}

void Agent::Impl::sweep() {
  std::vector<std::shared_ptr<Session>> expired;
  for (const auto& [unused, session] : sessions) {
    const bool interactive = session->kind() == SessionKind::terminal || session->kind() == SessionKind::ssh;
    const auto keep = interactive ? options.keep_interactive : options.keep_other;
    const auto since = session->detached_since();
    if (since && Steady::now() - *since >= keep) expired.push_back(session);
  }
  for (const auto& session : expired) {
    log("a detached session was kept long enough and is ended");
    end_session(session);
  }
}

Awaitable<void> Agent::Impl::sweep_for_ever() {
  for (;;) {
    co_await net::sleep_for(kSweepInterval);
    sweep();
  }
}

Awaitable<void> Agent::Impl::end_everything() {
  std::vector<std::shared_ptr<Session>> all;
  for (const auto& [unused, session] : sessions) all.push_back(session);
  for (const auto& session : all) session->hang_up();
  const auto all_over = [&] { return std::ranges::all_of(all, [](const auto& s) { return s->over(); }); };
  const auto deadline = Steady::now() + options.hang_up_grace;
  while (!all_over() && Steady::now() < deadline) co_await changed.wait_for(kSweepInterval);
  for (const auto& session : all) session->kill();
  while (!all_over()) co_await changed.wait();
  const base::Error stopped(base::ErrorClass::user, "AGENT_STOPPED", "the workspace's agent was stopped");
  // What the programs said last goes out before the channels close.
  const auto farewell = Steady::now() + kFarewellTime;
  const auto delivered = [&] {
    return std::ranges::all_of(all, [](const auto& s) { return !s->channel() || s->delivered(); });
  };
  while (!delivered() && Steady::now() < farewell) co_await changed.wait_for(kSweepInterval);
  for (const auto& session : all)
    if (session->channel()) close_channel(*session->channel(), stopped);
  while (connection && !connection->control.empty() && Steady::now() < farewell + kFarewellTime)
    co_await connection->changed.wait_for(kSweepInterval);
  if (connection) connection->socket->close(kNormalClosure, "the agent stops");
  everything_ended = true;
  changed.notify_all();
}

// ---- the face

Agent::Agent(const Machine& machine, base::Random& random, AgentOptions options, Log log)
    : impl_(std::make_shared<Impl>(machine, random, std::move(options), std::move(log))) {}

Agent::~Agent() = default;

Awaitable<void> Agent::run() {
  const auto impl = impl_;
  impl->credential = read_secret(impl->options.state_directory + "/credential");
  impl->tasks.spawn(impl->sweep_for_ever());
  impl->tasks.spawn(impl->beat());
  std::string last_trouble;
  while (!impl->stopping) {
    try {
      co_await impl->call_and_serve();
      last_trouble.clear();
    } catch (const base::Error& error) {
      // The same trouble again and again is one line.
      if (error.what() != last_trouble) impl->log("cannot reach the hub: " + std::string(error.what()));
      last_trouble = error.what();
    }
    const auto again = Steady::now() + impl->backoff.next();
    while (!impl->stopping && Steady::now() < again)
      co_await impl->changed.wait_for(std::chrono::ceil<base::Duration>(again - Steady::now()));
  }
  while (!impl->everything_ended) co_await impl->changed.wait();
  impl->tasks.cancel();
  co_await impl->tasks.join();
}

void Agent::stop() {
  if (std::exchange(impl_->stopping, true)) return;
  impl_->changed.notify_all();
  impl_->tasks.spawn(impl_->end_everything());
}

bool Agent::connected() const { return impl_->connection != nullptr; }
std::size_t Agent::sessions() const { return impl_->sessions.size(); }

}  // namespace slipway::agent
