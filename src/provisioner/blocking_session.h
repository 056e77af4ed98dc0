#pragma once
// How a provisioner is written in C++: as one object for each session whose calls block. BlockingSession runs them on a
// thread of its own and sees to the protocol: the order of requests, cancels, back-pressure, and the end.

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "provisioner/protocol.h"

namespace slipway::provisioner {

// What one request is done with. For the session's thread, or for one at a time that its owner starts and joins within
// the request.
class Work {
 public:
  virtual ~Work() = default;
  // Fires when the request shall end soon, in good order (also when killed).
  virtual std::stop_token cancelled() const = 0;
  // Fires when everything is to be dropped at once: kill what was started, wait for it, and come back.
  virtual std::stop_token killed() const = 0;
  // One line. Blocks while the reader cannot keep up; never throws for that. Debug and trace lines go nowhere unless
  // they are wanted.
  virtual void log(fleet::LogLevel level, std::string line) = 0;
  // Comes back once the state is kept (or the session is killed): what it announces may be made then.
  virtual void state_written(std::string file) = 0;
};

// What a provisioner does in one session. Made when the session begins, and gone before its on_closed; all calls come
// on one thread. What is thrown becomes the request's Problem, with the code and class of a base::Error.
class SessionWork {
 public:
  virtual ~SessionWork() = default;
  // The first call. A failure here is the answer to the first request.
  virtual void configure(const Config& config) = 0;
  virtual ParseComplete parse(Work& work) = 0;
  virtual PlanComplete plan(const Plan& plan, Work& work) = 0;
  // Of the last plan. A failure after something was made is returned with what is there, not thrown.
  virtual ApplyComplete apply(Work& work) = 0;
};

// Thrown by SessionWork: not the request, the whole session ends, as if its process had died.
struct SessionBroken {
  base::Error error;
};

// What a cancelled request ends with where it did not finish: CANCELLED.
base::Error cancelled_error();

class BlockingSession final : public Session {
 public:
  // `make` is called on the session's thread.
  BlockingSession(Hello hello, std::function<std::unique_ptr<SessionWork>()> make, SessionEvents events);
  ~BlockingSession() override;
  void send(Request request) override;
  void pause(bool paused) override;
  void close(bool force) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace slipway::provisioner
