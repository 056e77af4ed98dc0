#include "agent/testing/world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <boost/asio/co_spawn.hpp>
#include <fstream>
#include <thread>

namespace slipway::agent::testing {

using net::Awaitable;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kClientPath = "/client";
constexpr std::string_view kAgentPath = "/v1/agent/connect";
constexpr std::string_view kCredential = "slac_for_the_test";

// Breaks when it is told to, however its user holds it.
class BreakableSocket final : public net::WebSocket {
 public:
  BreakableSocket(std::unique_ptr<net::WebSocket> inner, bool& alive) : inner_(std::move(inner)), alive_(alive) {
    alive_ = true;
  }
  ~BreakableSocket() override { alive_ = false; }
  Awaitable<std::optional<net::Message>> read() override { return inner_->read(); }
  Awaitable<void> write(net::Message message) override { return inner_->write(std::move(message)); }
  void close(std::uint16_t code, std::string reason) override { inner_->close(code, std::move(reason)); }
  bool closed() const override { return inner_->closed(); }
  std::uint16_t close_code() const override { return inner_->close_code(); }
  std::string close_reason() const override { return inner_->close_reason(); }
  std::size_t buffered_bytes() const override { return inner_->buffered_bytes(); }
  std::string subprotocol() const override { return inner_->subprotocol(); }

 private:
  std::unique_ptr<net::WebSocket> inner_;
  bool& alive_;
};

}  // namespace

World::World() {
  std::string name = std::filesystem::temp_directory_path() / "slipway-agent-test-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw base::system_error("make a folder", errno);
  folder = name;
  std::filesystem::create_directories(home());
}

World::~World() {
  if (agent_ > 0) {
    signal_agent(SIGTERM);
    run([this]() -> Awaitable<void> { co_await agent_ended(); });
  }
  if (hub_) run([this] { return stop_hub(); });
  std::filesystem::remove_all(folder);
}

void World::run(const std::function<Awaitable<void>()>& scene) {
  std::exception_ptr failure;
  io.restart();
  boost::asio::co_spawn(io, scene(), [&](std::exception_ptr thrown) {
    failure = thrown;
    io.stop();
  });
  io.run();
  if (failure) std::rethrow_exception(failure);
}

Awaitable<void> World::handle(net::Exchange& exchange) {
  const std::string authorization(exchange.request().headers.get("Authorization").value_or(""));
  if (exchange.request().path == kClientPath) {
    auto socket = co_await exchange.accept_websocket();
    co_return co_await hub_->serve_client(kWorkspace, std::move(socket));
  }
  const bool by_token = authorization == "Bearer " + std::string(kToken);
  if (!by_token && authorization != "Bearer " + std::string(kCredential)) {
    net::Response refusal = net::json_response(401, R"({"error":{"code":"UNAUTHENTICATED","message":"no"}})");
    co_return co_await exchange.respond(std::move(refusal));
  }
  credentials_seen.push_back(authorization.substr(7));
  auto socket = co_await exchange.accept_websocket();
  std::optional<base::Secret> credential;
  if (by_token) credential = base::Secret(std::string(kCredential));
  co_await hub_->serve_agent(kWorkspace, std::move(credential), std::move(socket));
}

void World::start_hub(HubOptions options) {
  HubEvents events;
  events.on_ready = [this](const base::WorkspaceId&, const Hello&) {
    ++readies;
    changed_.notify_all();
  };
  events.on_activity = [this](const base::WorkspaceId&, SessionKind kind, base::Instant) { activity.push_back(kind); };
  events.on_disconnect = [this](const base::WorkspaceId&) {
    ++disconnects;
    changed_.notify_all();
  };
  hub_ = std::make_unique<AgentHub>(io, clock, std::move(events), options);
  server_ = std::make_unique<net::Server>(io, net::ServerLimits{},
                                          [this](net::Exchange& exchange) { return handle(exchange); });
  server_->listen_unix(folder / "hub.sock");
}

Awaitable<void> World::stop_hub() {
  co_await hub_->stop();
  co_await server_->drain(1s);
  server_.reset();
  hub_.reset();
}

void World::start_agent(const std::string& program) {
  std::ofstream(folder / "token") << kToken << '\n';
  ProcessSpec spec{.program = program,
                   .arguments = {"slipway-agent", "run", "--hub-url", hub_url(), "--token-file", folder / "token",
                                 "--state-dir", folder / "state", "--home", home()},
                   .directory = folder};
  for (const char* name : {"PATH", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"})
    if (const char* value = ::getenv(name)) spec.environment[name] = value;
  Process process = spawn(spec);
  agent_ = process.pid;
  agent_status_.reset();
  reaper_.watch(agent_, [this](int status) {
    agent_status_ = status;
    changed_.notify_all();
  });
  // It says little; what it says goes where the test's own words go.
  std::thread([log = std::move(process.error)] {
    std::array<char, 512> bytes;
    ::fcntl(log.get(), F_SETFL, 0);
    for (ssize_t count; (count = ::read(log.get(), bytes.data(), bytes.size())) > 0;)
      (void)!::write(STDERR_FILENO, bytes.data(), std::size_t(count));
  }).detach();
}

void World::signal_agent(int number) { ::kill(agent_, number); }

Awaitable<int> World::agent_ended() {
  while (!agent_status_) co_await changed_.wait();
  agent_ = -1;
  co_return *agent_status_;
}

Awaitable<void> World::agent_ready() {
  while (!hub_->connected(kWorkspace)) co_await changed_.wait();
}

Awaitable<std::unique_ptr<net::WebSocket>> World::connect_client() {
  auto socket = co_await net::connect_websocket(io, hub_url() + ':' + std::string(kClientPath), {}, 5s);
  auto breakable = std::make_unique<BreakableSocket>(std::move(socket), last_client_alive_);
  last_client_ = breakable.get();
  co_return breakable;
}

Awaitable<std::unique_ptr<net::WebSocket>> World::connect_agent() {
  net::Headers headers{{"Authorization", "Bearer " + std::string(kToken)}};
  co_return co_await net::connect_websocket(io, hub_url() + ':' + std::string(kAgentPath), std::move(headers), 5s);
}

void World::break_client_connection() {
  if (last_client_alive_) last_client_->close(1001, "broken by the test");
}

std::unique_ptr<SessionClient> World::client(OpenRequest request, SessionClientOptions options) {
  return std::make_unique<SessionClient>(io, random, [this] { return connect_client(); }, std::move(request), options);
}

OpenRequest exec(std::vector<std::string> argv) {
  OpenRequest request{.kind = SessionKind::exec};
  request.command = CommandRequest{.argv = std::move(argv)};
  return request;
}

OpenRequest shell_command(std::string command) {
  OpenRequest request{.kind = SessionKind::exec};
  request.command = CommandRequest{.shell_command = std::move(command)};
  return request;
}

OpenRequest terminal(std::vector<std::string> argv) {
  OpenRequest request{.kind = SessionKind::terminal};
  request.command = CommandRequest{.argv = std::move(argv), .size = TerminalSize{24, 80}};
  return request;
}

OpenRequest tcp(int port) {
  OpenRequest request{.kind = SessionKind::tcp};
  request.tcp = TcpRequest{port};
  return request;
}

OpenRequest download(std::string path) {
  OpenRequest request{.kind = SessionKind::files};
  request.files = FilesRequest{.operation = FileOperation::download, .path = std::move(path)};
  return request;
}

OpenRequest upload(std::string path, std::optional<int> mode) {
  OpenRequest request{.kind = SessionKind::files};
  request.files = FilesRequest{.operation = FileOperation::upload, .path = std::move(path), .mode = mode};
  return request;
}

Awaitable<std::string> read_all(SessionClient& client, StreamId stream) {
  std::string all;
  for (std::string bytes; !(bytes = co_await client.read(stream)).empty();) all += bytes;
  co_return all;
}

Awaitable<std::string> read_until(SessionClient& client, std::string text) {
  std::string all;
  while (all.find(text) == all.npos) {
    const std::string bytes = co_await client.read(StreamId::output);
    if (bytes.empty()) throw base::internal_error("the output ended without '" + text + "': " + all);
    all += bytes;
  }
  co_return all;
}

Awaitable<Finished> finish(SessionClient& client, std::string input) {
  Finished finished;
  co_await client.open();
  co_await client.write(std::move(input));
  co_await client.end_input();
  finished.output = co_await read_all(client, StreamId::output);
  finished.error = co_await read_all(client, StreamId::error);
  finished.exit = co_await client.wait_exit();
  co_await client.close();
  co_return finished;
}

Awaitable<std::string> code_of(Awaitable<void> action) {
  try {
    co_await std::move(action);
  } catch (const base::Error& error) {
    co_return error.code();
  }
  co_return "";
}

}  // namespace slipway::agent::testing
