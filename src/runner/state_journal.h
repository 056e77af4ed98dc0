#pragma once
// Brings the states of a build to the hub while it applies (RUN-12): one at a time, and of those that wait only the
// newest, so that what is lost with this machine is never more than what one call takes. What the hub has already is
// not sent once more: a provisioner ends with the state that it wrote last. For the loop's thread only.

#include <functional>
#include <optional>
#include <string>

#include "runner/insistent_call.h"

namespace slipway::runner {

class StateJournal {
 public:
  struct Events {
    std::function<void()> on_kept;                       // the newest state is at the hub
    std::function<void(const base::Error&)> on_refused;  // it never will be
    std::function<void(const base::Error&)> on_lost;     // the job is not ours any more
  };
  StateJournal(base::EventLoop& loop, base::Workers& workers, const base::Clock& clock, base::Random& random,
               HubLink& hub, std::string job, std::int64_t fence, Events events);

  // `file` is ours: it must not change any more, and is removed once a newer one has taken its place.
  void written(std::string file);
  // `then` gets the SHA-256 of the newest state once the hub has it; nothing if there was none. Within the call if
  // there is nothing to wait for. A state that the hub refuses is an error.
  void settle(Reply<std::optional<std::string>> then);
  // The hub does not have what it said it has: once more.
  void put_again();
  void stop();

 private:
  void put();
  void bring(Reply<std::string> reply);
  void finish();
  void discard(const std::string& file) const;

  base::EventLoop& loop_;
  base::Workers& workers_;
  HubLink& hub_;
  const std::string job_;
  const std::int64_t fence_;
  Events events_;
  std::string newest_;                 // empty: none yet
  std::string waiting_;                // not begun; empty: none
  std::string putting_;                // under way
  std::optional<std::string> digest_;  // of what the hub has
  std::optional<base::Error> refused_;
  Reply<std::optional<std::string>> then_;
  InsistentCall<std::string> call_;
  Lifeline lifeline_;
};

}  // namespace slipway::runner
