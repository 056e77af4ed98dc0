#pragma once
// What becomes of a message: a run of workstation.provision, or a refusal (WP-1). One transaction holds the message's
// row and all that follows from it, so it is either wholly taken or not at all, and a delivery after that changes
// nothing.
//
// All of it is for the event loop's thread, except where it says so.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/executor.h"
#include "durable/engine.h"
#include "fleet/received_message.h"
#include "fleet/tier.h"
#include "google/pubsub_puller.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "workflows/workstation_request.h"

namespace slipway::workflows {

struct IntakeSettings {
  std::string dead_letter_topic;    // full name; empty: none
  base::Duration retry_first{200};  // after a write that failed for a reason that passes; doubles, with jitter
  base::Duration retry_max{10'000};
};

inline constexpr std::string_view kRefusedAlert = "message.refused";

class WorkstationIntake {
 public:
  // What it is made of must outlive it. `random` is thread-safe.
  struct Parts {
    store::Database& database;
    durable::Engine& engine;
    base::EventLoop& loop;
    const base::Clock& clock;
    base::IdGenerator& ids;
    base::Random& random;
    const fleet::Tiers& tiers;
    observe::Registry& metrics;
    const observe::Logger& log;
  };
  explicit WorkstationIntake(Parts parts, IntakeSettings settings = {});
  ~WorkstationIntake();

  // Takes it, once; `done` is called on the loop: with null when that is durable, also when it came before, else with
  // what went wrong: then nothing of it is stored, and it may be taken again.
  using Done = std::function<void(std::exception_ptr)>;
  void take(const std::string& subscription, const google::PubsubMessage& message, Done done);
  // For a puller, on its thread: takes each message, again and again while the store cannot be written or the engine
  // has no lease, and acknowledges it then. Meanwhile the delivery is held, so the puller pulls no more than it may.
  google::PubsubPuller::Handler handler(std::string subscription);
  // Nothing is tried again any more: what is held goes unanswered. From any thread.
  void stop() { is_stopped_ = true; }

  // The run of an order that a person takes out of a refused message, or mends: to be inserted with
  // fleet::accept_replayed.
  durable::RunRecord make_run(const Order& order, const fleet::ReceivedMessage& message);
  const fleet::Tiers& tiers() const { return parts_.tiers; }

 private:
  struct Plan;
  struct Held;
  std::shared_ptr<Plan> plan(const std::string& subscription, const google::PubsubMessage& message);
  durable::RunRecord make_run(const Order& order, OrderSource source, std::string trace);
  void refuse(Plan& plan, fleet::Refusal refusal, const google::PubsubMessage& message);
  void submit(std::shared_ptr<Plan> plan, Done done);
  void on_stored(const Plan& plan);
  void hold(std::shared_ptr<Held> held);
  void on_failed(std::shared_ptr<Held> held, const base::Error& error);

  const Parts parts_;
  const IntakeSettings settings_;
  std::atomic<bool> is_stopped_ = false;
  std::shared_ptr<WorkstationIntake*> self_;  // callbacks hold it weakly
};

}  // namespace slipway::workflows
