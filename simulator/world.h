#pragma once
// Everything that the simulator knows, in one place; what the routes work on.

#include <deque>
#include <map>
#include <string>

#include "base/random.h"
#include "base/time.h"
#include "simulator/faults.h"
#include "simulator/identity.h"
#include "simulator/ledger.h"
#include "simulator/pubsub.h"
#include "simulator/workstations.h"

namespace slipway::simulator {

struct WorldOptions {
  std::string project = "simulated-project";
  std::string region = "us-central1";
  std::uint64_t seed = 1;
  Delays delays;
  Quotas quotas;
  std::int64_t deliveries_max = 1;
  std::chrono::seconds token_lifetime{3599};
  bool open = false;  // no credentials are asked for
};

// What is written to the state file.
struct WorldState {
  WorkstationsState workstations;
  PubSubState pubsub;
  IdentityState identity;
  std::vector<LedgerEntry> ledger;
};
SLIPWAY_JSON_SNAKE(WorldState, workstations, pubsub, identity, ledger)

// One answered request, for people who look what happened.
struct RequestNote {
  std::uint64_t number = 0;
  base::Instant at{};
  std::string call;
  std::string method;
  std::string target;
  int status = 0;
  std::string fault;
};
SLIPWAY_JSON_SNAKE(RequestNote, number, at, call, method, target, status, fault)

class World {
 public:
  World(const base::Clock& clock, WorldOptions options, WorldState state);

  base::Instant now() const { return clock_.now() + offset_; }
  // Lets time pass at once.
  void skip(base::Duration duration) { offset_ += duration; }
  // Ends what is due, and writes down what that did.
  void advance();
  // Writes down what the calls of request `number` did.
  void record_effects(std::uint64_t number, bool answer_lost);
  void record(LedgerEntry entry);
  void note(RequestNote note);
  // Throws RESOURCE_EXHAUSTED when the service had its requests of this minute.
  void count_request(const std::string& service);
  WorldState state() const;
  // Grows with every change that a state file should have.
  std::uint64_t version() const { return version_; }
  void changed() { ++version_; }

  const WorldOptions options;
  std::string base_url;  // set once the port is known

 private:
  const base::Clock& clock_;
  base::Duration offset_{0};
  base::SeededRandom random_;
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> minutes_;  // by service: which minute, how many
  std::uint64_t version_ = 0;

 public:
  Identity identity;
  Workstations workstations;
  PubSub pubsub;
  Faults faults;
  Ledger ledger;
  std::map<std::string, json::Object> compute_operations;
  std::deque<RequestNote> requests;             // the last ones
  std::map<std::string, std::int64_t> counted;  // requests by call
};

}  // namespace slipway::simulator
