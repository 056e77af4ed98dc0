#pragma once
// A session as the agent keeps it: an endpoint in the machine, this end of its streams, and the channel of the client
// that is attached now, if any. It lives on its own: a lost connection only detaches it.
//
//   starting → running → over → (all acknowledged, closed, or kept too long) → dropped by the agent
//
// On the agent's loop. Its coroutines hold it, so that dropping it is safe at any time.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "agent/endpoint.h"
#include "agent/session_end.h"
#include "net/asio.h"

namespace slipway::agent {

using SteadyTime = std::chrono::steady_clock::time_point;

class Session : public std::enable_shared_from_this<Session> {
 public:
  // What the session tells the agent. The first two come from its own coroutine, once one of them; the third also from
  // inside calls: it should only leave a note.
  struct Callbacks {
    std::function<void(Session&)> on_started;                      // the channel can be told `opened`
    std::function<void(Session&, const base::Error&)> on_refused;  // there is no such session
    std::function<void()> on_change;                               // there may be a frame to send
  };
  Session(const Machine& machine, OpenRequest request, Callbacks callbacks);

  void start(net::TaskGroup& tasks);

  const std::string& id() const { return request_.session; }
  SessionKind kind() const { return request_.kind; }
  bool started() const { return endpoint_ != nullptr; }
  // Nothing is left to do in the machine: the coroutines have ended.
  bool over() const { return over_; }
  // The client has everything.
  bool delivered() const { return over_ && end_.all_acknowledged(); }

  // ---- the client's side
  std::optional<std::uint32_t> channel() const { return channel_; }
  void set_channel(std::uint32_t channel, const Positions& peer);
  // After `opened` was put on its way: frames may flow.
  void begin_flow();
  void detach();
  Positions positions() const { return end_.positions(); }
  // A data, ack or eof frame. Throws what is wrong with it: then the channel is to be closed.
  void receive(const Frame& frame);
  std::optional<Frame> next_frame();

  // When it was last used by a client, and since when there is none.
  SteadyTime last_activity() const { return last_activity_; }
  std::optional<SteadyTime> detached_since() const { return detached_since_; }

  // Asks what runs to end; `kill` ends it. Also while it starts.
  void hang_up();
  // The same, and nobody will take what it says: it does not wait for a reader.
  void drop();
  void kill();

 private:
  net::Awaitable<void> run(std::shared_ptr<Session> self, net::TaskGroup& tasks);
  net::Awaitable<void> live(net::TaskGroup& tasks);
  net::Awaitable<void> pump_output(std::shared_ptr<Session> self, StreamId stream);
  net::Awaitable<void> pump_input(std::shared_ptr<Session> self);
  net::Awaitable<void> drain_output();
  void obey_commands();
  void obey(const Command& command);
  void tell(const Event& event);
  void changed();
  void note_activity();

  const Machine& machine_;
  OpenRequest request_;
  Callbacks callbacks_;
  std::unique_ptr<Endpoint> endpoint_;
  SessionEnd end_{Side::agent};
  std::optional<std::uint32_t> channel_;
  Positions peer_;
  SteadyTime last_activity_;
  std::optional<SteadyTime> detached_since_;
  net::Signal changed_;
  int outputs_open_ = 2;
  int reads_pending_ = 0;
  std::uint64_t bytes_read_ = 0;
  bool ended_ = false;  // the endpoint has ended, or was told to
  bool dropped_ = false;
  bool over_ = false;
};

}  // namespace slipway::agent
