#pragma once
// Brings what a session says from its thread to the event loop: in order, many at a time, and with the session paused
// while more waits than is good for us. A state that is written is copied at once, on the session's thread, because its
// file may change as soon as the next message is sent.

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "base/executor.h"
#include "provisioner/protocol.h"

namespace slipway::runner {

class SessionInbox : public std::enable_shared_from_this<SessionInbox> {
 public:
  static constexpr std::size_t kMessagesMax = 2'000;  // then the session is paused
  static constexpr std::size_t kTurn = 500;           // so many are handled before others have their turn

  struct Handlers {  // on the loop
    std::function<void(provisioner::Message, base::Instant at)> on_message;
    std::function<void(std::optional<base::Error>)> on_closed;
    // A state could not be copied. The session is open, and stays paused: what is not kept is not confirmed.
    std::function<void(base::Error)> on_state_missed;
  };
  // Files of states are copied into `states`, a folder.
  SessionInbox(base::EventLoop& loop, const base::Clock& clock, std::string states)
      : loop_(loop), clock_(clock), states_(std::move(states)) {}

  // For Provisioner::open. Holds this inbox.
  provisioner::SessionEvents events();
  void attach(provisioner::Session& session, Handlers handlers);
  // Nothing is handed over any more, and the session is not used.
  void detach();
  // What the loop wants; the session is paused if either of us wants it to be.
  void pause(bool paused);
  // The states that were handed over are kept at the hub.
  void states_kept();
  // The session was told to end: nothing of it is waited for any more.
  void let_go();

 private:
  struct StateMissed {
    base::Error error;
  };
  struct Closed {
    std::optional<base::Error> error;
  };
  struct Item {
    std::variant<provisioner::Message, StateMissed, Closed> what;
    base::Instant at;
  };
  static bool is_state(const Item& item);
  void put(Item item);
  Item take(provisioner::Message message);
  std::string copy_of(const std::string& file);
  void hand_over();
  void hand_over(Item item);
  void apply_pause();  // with the mutex held

  base::EventLoop& loop_;
  const base::Clock& clock_;
  const std::string states_;
  std::mutex mutex_;
  std::deque<Item> items_;
  std::uint64_t copies_ = 0;
  std::uint64_t states_said_ = 0, states_handed_ = 0, states_kept_ = 0;
  bool state_missed_ = false;
  bool turn_planned_ = false;
  bool wanted_pause_ = false, let_go_ = false, paused_ = false;
  provisioner::Session* session_ = nullptr;
  Handlers handlers_;  // of the loop
};

}  // namespace slipway::runner
