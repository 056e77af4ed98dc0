#pragma once
// The pull loop of one subscription: flow control, leases, acknowledgements in batches, back-off (WP-1, WP-16).
//
// A message is *held* from its arrival until its Delivery is answered. While it is held its lease is extended, up to a
// bound; while too many are held nothing is pulled. What is not answered in the end comes again, here or elsewhere:
// whoever handles messages must know those that he has handled.

#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "google/pubsub.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace slipway::google {

struct PullerSettings {
  std::string subscription;             // full name
  std::size_t messages_max = 1'000;     // held at a time
  std::size_t bytes_max = 64 << 20;     // of the held ones' data: beyond it nothing more is pulled
  base::Duration first_look{4'000};     // the first extension: before the shortest deadline of a subscription is over
  base::Duration lease{60'000};         // what an extension asks for; the next one comes after half of it
  base::Duration lease_max{3'600'000};  // how long a message is held at most; then it is let go, and comes again
  base::Duration answer_delay{20};      // how long acknowledgements wait for others
  base::Duration backoff_first{200};    // after a failed pull; doubles
  base::Duration backoff_max{30'000};
  base::Duration goodbye{3'000};  // how long `stop` tries to give back what is held
};

namespace detail {
struct PullerState;
}

// One delivery of a message, to be answered once, from any thread, also after the puller has gone (then it is too
// late, and nothing happens). One that goes unanswered is given back. Movable.
class Delivery {
 public:
  Delivery(std::weak_ptr<detail::PullerState> state, std::uint64_t number, PubsubMessage message, std::int64_t attempt)
      : state_(std::move(state)), number_(number), message_(std::move(message)), attempt_(attempt) {}
  Delivery(Delivery&&) = default;
  Delivery& operator=(Delivery&&) = delete;
  ~Delivery() { nack(); }

  const PubsubMessage& message() const { return message_; }
  std::int64_t attempt() const { return attempt_; }
  // It is dealt with, durably, and need not come again.
  void ack();
  // It is to come again, not before `delay`.
  void nack(base::Duration delay = base::Duration(0));

 private:
  std::weak_ptr<detail::PullerState> state_;
  std::uint64_t number_;
  PubsubMessage message_;
  std::int64_t attempt_;
};

// Two threads of its own: one pulls, the other answers and extends. Constructor arguments must outlive it.
class PubsubPuller {
 public:
  // Called on the pulling thread, in the order of arrival. Must neither block nor throw.
  using Handler = std::function<void(Delivery)>;

  PubsubPuller(Pubsub& pubsub, PullerSettings settings, Handler handler, base::Random& random,
               observe::Registry& metrics, const observe::Logger& log);
  ~PubsubPuller();  // stops

  void start();
  // Pulls no more, gives back what is held, so that another hub gets it at once, and joins the threads. Blocks, at most
  // for about `goodbye`; never from the handler. A second call does nothing.
  void stop();

  std::size_t held() const;

 private:
  void pull();
  void hand_out(std::vector<PulledMessage> pulled);
  bool wait_for_room();
  bool back_off(base::Duration& backoff, const base::Error& error);
  void care();

  Pubsub& pubsub_;
  const PullerSettings settings_;
  const Handler handler_;
  base::Random& random_;
  const observe::Logger& log_;
  observe::Registry& metrics_;
  std::shared_ptr<detail::PullerState> state_;
  struct Threads;
  std::unique_ptr<Threads> threads_;
  observe::Registry::Registration held_gauge_, age_gauge_;
};

}  // namespace slipway::google
