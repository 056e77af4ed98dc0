#pragma once
// A hub on a Unix socket, the real agent program calling it, and clients, all but the agent on the test's own loop. The
// hub can be stopped and started again under the same path, as a restart does.

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "agent/agent.h"
#include "agent/client.h"
#include "agent/hub.h"
#include "net/server.h"

namespace slipway::agent::testing {

inline const base::WorkspaceId kWorkspace("0190a000-0000-7000-8000-000000000001");
inline constexpr std::string_view kToken = "slat_for_the_test";

class World {
 public:
  World();
  ~World();  // ends the agent and whatever it runs, removes the folder
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Runs the loop until the coroutine has ended; throws what it threw.
  void run(const std::function<net::Awaitable<void>()>& scene);

  void start_hub(HubOptions options = {});
  net::Awaitable<void> stop_hub();
  AgentHub& hub() { return *hub_; }

  void start_agent(const std::string& program);
  pid_t agent_pid() const { return agent_; }
  void signal_agent(int number);
  net::Awaitable<int> agent_ended();  // its waitpid status
  net::Awaitable<void> agent_ready();

  std::unique_ptr<SessionClient> client(OpenRequest request, SessionClientOptions options = {});
  // As a client and as an agent would connect, for tests that send what those never would.
  net::Awaitable<std::unique_ptr<net::WebSocket>> connect_client();
  net::Awaitable<std::unique_ptr<net::WebSocket>> connect_agent();
  // Breaks the connection that the last client made.
  void break_client_connection();

  net::IoContext io{1};
  base::SystemRandom random;
  base::SystemClock clock;
  std::filesystem::path folder;
  std::filesystem::path home() const { return folder / "home"; }
  std::string hub_url() const { return "unix:" + (folder / "hub.sock").string(); }

  // What the hub told.
  int readies = 0, disconnects = 0;
  std::vector<SessionKind> activity;
  std::vector<std::string> credentials_seen;  // what agents came with

 private:
  net::Awaitable<void> handle(net::Exchange& exchange);

  net::Signal changed_{io};
  std::unique_ptr<AgentHub> hub_;
  std::unique_ptr<net::Server> server_;
  ChildReaper reaper_{io, Orphans::left_alone};
  pid_t agent_ = -1;
  std::optional<int> agent_status_;
  net::WebSocket* last_client_ = nullptr;
  bool last_client_alive_ = false;
};

OpenRequest exec(std::vector<std::string> argv);
OpenRequest shell_command(std::string command);
OpenRequest terminal(std::vector<std::string> argv = {});
OpenRequest tcp(int port);
OpenRequest download(std::string path);
OpenRequest upload(std::string path, std::optional<int> mode = {});

// All of a stream; until `text` was seen in it.
net::Awaitable<std::string> read_all(SessionClient& client, StreamId stream = StreamId::output);
net::Awaitable<std::string> read_until(SessionClient& client, std::string text);
// Opens, ends the input, reads everything, closes.
struct Finished {
  std::string output, error;
  Exit exit;
};
net::Awaitable<Finished> finish(SessionClient& client, std::string input = {});
// The code of the base::Error that the coroutine ends with; empty if none.
net::Awaitable<std::string> code_of(net::Awaitable<void> action);

}  // namespace slipway::agent::testing
