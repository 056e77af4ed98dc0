#pragma once
// What a session is connected to inside the machine: a program, a port, a file. The session moves bytes between it and
// the client and knows nothing else of it.

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/messages.h"
#include "agent/process.h"
#include "net/asio.h"

namespace slipway::agent {

// Lives until no call is pending. One call of `read` for each stream, one of `write` and one of `wait` at a time.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // At most `limit` bytes of output or error; empty at the end, and after a failure, of which `wait` then tells.
  virtual net::Awaitable<std::string> read(StreamId stream, std::size_t limit) = 0;
  // False when nobody takes input any more: the rest can be thrown away.
  virtual net::Awaitable<bool> write(std::string bytes) = 0;
  virtual void end_input() = 0;
  // How it ended, once it has. Its output may still hold bytes then.
  virtual net::Awaitable<Exit> wait() = 0;
  virtual void resize(const TerminalSize&) {}
  virtual void signal(int) {}
  // Asks it to end.
  virtual void hang_up() = 0;
  // Ends it: every pending call returns soon.
  virtual void kill() = 0;
  // It ended, but something else holds its output open: reads end.
  virtual void abandon_output() {}
  virtual std::optional<FileFacts> file_facts() const { return std::nullopt; }
};

// The machine that the agent runs in, as its sessions see it. Everything referred to outlives them.
struct Machine {
  net::IoContext& io;
  ChildReaper& reaper;
  std::string home;             // where programs start and relative paths begin
  std::string state_directory;  // for files that must not outlive the machine's run
  std::string user;
  std::string shell;
  std::map<std::string, std::string> environment;  // of every program
};

// Throws a user error (COMMAND_NOT_FOUND, PORT_REFUSED, FILE_NOT_FOUND, SSH_NOT_INSTALLED …) that refuses the session.
net::Awaitable<std::unique_ptr<Endpoint>> open_endpoint(const Machine& machine, OpenRequest request);

// One each, for `open_endpoint`.
std::unique_ptr<Endpoint> open_command(const Machine& machine, const CommandRequest& request, SessionKind kind);
net::Awaitable<std::unique_ptr<Endpoint>> open_tcp(const Machine& machine, TcpRequest request);
net::Awaitable<std::unique_ptr<Endpoint>> open_ssh(const Machine& machine, SshRequest request);
std::unique_ptr<Endpoint> open_files(const Machine& machine, const FilesRequest& request);

// A running program as an endpoint. `when_gone` is called when the endpoint goes: for what the program needed.
struct ProcessExtras {
  std::optional<FileFacts> facts;
  std::function<void()> when_gone;
};
std::unique_ptr<Endpoint> open_process(const Machine& machine, const ProcessSpec& spec, ProcessExtras extras = {});

}  // namespace slipway::agent
