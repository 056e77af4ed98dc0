#pragma once
// The client's end of one session: for the command line, and for tests.
//
// It opens the session, and when a connection breaks it calls again and goes on where it was, until the session is
// complete or it has tried for too long. On the loop of its IoContext.
//
// Output and error must both be read by whoever wants the session to get on: each has its own window, and a program
// whose window is full waits.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/messages.h"
#include "base/random.h"
#include "net/asio.h"
#include "net/websocket.h"

namespace slipway::agent {

struct SessionClientOptions {
  base::Duration open_within = std::chrono::seconds(15);    // for the session to begin
  base::Duration give_up_after = std::chrono::seconds(90);  // without a connection; below what an agent keeps a session
};

// A new session's id.
std::string make_session_id();

class SessionClient {
 public:
  // A new connection to the hub's end for clients of the workspace. What it throws with class transient or throttled is
  // tried again, anything else is final.
  using Connect = std::function<net::Awaitable<std::unique_ptr<net::WebSocket>>()>;

  // An empty `request.session` gets an id. `random` must outlive the client.
  SessionClient(net::IoContext& io, base::Random& random, Connect connect, OpenRequest request,
                SessionClientOptions options = {});
  // After `close` has returned, or the connection just breaks and the agent keeps the session for a while.
  ~SessionClient();

  // Returns when the session has begun. Throws what refused it: COMMAND_NOT_FOUND, AGENT_UNAVAILABLE, ….
  net::Awaitable<void> open();

  // Each of these throws once the session is lost: SESSION_NOT_FOUND, AGENT_STOPPED, GAVE_UP, ….
  // Returns when there was room for all of it; dropped once the program has ended.
  net::Awaitable<void> write(std::string bytes);
  net::Awaitable<void> end_input();
  // The next bytes of output or error; empty at the end.
  net::Awaitable<std::string> read(StreamId stream);
  net::Awaitable<void> resize(TerminalSize size);
  net::Awaitable<void> signal(std::string name);
  // What a files session transfers; empty if it ended without saying.
  net::Awaitable<std::optional<FileFacts>> file_facts();
  // How it ended. Does not wait for output to be read.
  net::Awaitable<Exit> wait_exit();

  // Called when the connection is lost (true) and when it is back (false): to tell the user.
  void on_interruption(std::function<void(bool interrupted)> callback);

  // Ends the session unless it has ended, and the connection. Every other call must have returned, or returns soon.
  net::Awaitable<void> close();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace slipway::agent
