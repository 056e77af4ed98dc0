#pragma once
// The agent itself: it calls the hub, keeps calling for ever, and carries the sessions of its machine over the one
// connection it has. Sessions do not end with the connection. docs/agent-protocol.md has the protocol.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/endpoint.h"
#include "base/random.h"
#include "base/secret.h"
#include "net/asio.h"

namespace slipway::agent {

struct AgentOptions {
  std::string hub_url;          // unix:/path/to.sock, ws://host[:port], wss://host[:port], http(s)://…
  std::string token_file;       // the one-time token, if there is one still
  std::string state_directory;  // the agent's own credential, 0600: memory-backed, gone with the machine
  std::string version;
  base::Duration keep_interactive = std::chrono::minutes(10);  // detached terminal and ssh sessions
  base::Duration keep_other = std::chrono::minutes(2);         // all others
  base::Duration hang_up_grace = std::chrono::seconds(5);      // from asking to killing
};

// Sessions at one time; each may hold its windows in memory.
inline constexpr std::size_t kMaxSessions = 256;

// 'ws://h:1/' → 'ws://h:1/v1/agent/connect'. Throws VALIDATION_ERROR for what is no URL of a hub.
std::string connect_url(const std::string& hub_url);

class Agent {
 public:
  using Log = std::function<void(std::string_view line)>;
  // `machine` and `random` must outlive the agent.
  Agent(const Machine& machine, base::Random& random, AgentOptions options, Log log);
  ~Agent();  // after `run` has returned

  // Calls and serves until `stop`.
  net::Awaitable<void> run();
  // Programs are asked to end, then killed; clients are told; then `run` returns. Called once.
  void stop();

  bool connected() const;
  std::size_t sessions() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace slipway::agent
