#pragma once
// Notices soon that a workstation has changed while runs wait for it, with few calls: runs look by themselves only
// every ten seconds (WP-6), and are poked as soon as a list shows something else than they saw.
//
// How often it asks grows with how long the run has waited, a hundredth of it, so that what is added to the cloud's own
// time stays below one per cent (WP-10) at a few calls a second, however many wait. It backs off when the cloud says
// so, and never matters: without it everything ends the same, a little later.
//
// A thread of its own. `expect` is thread-safe; so must `poke` be, which is called on that thread.

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/id.h"
#include "base/time.h"
#include "providers/workstations/workstation_cloud.h"

namespace slipway::providers::workstations {

struct WatchOptions {
  base::Duration interval_min{250};  // 0: nothing is watched
  base::Duration interval_max{5'000};
  double interval_part = 0.01;          // of how long the youngest has waited
  base::Duration forget_after{30'000};  // a run that did not look for so long waits no more
  std::size_t listed_from = 8;          // as many of one config are asked for by one list
};

class StateWatch {
 public:
  using Poke = std::function<void(const base::RunId&)>;
  StateWatch(google::WorkstationsClient& client, const base::Clock& clock, WatchOptions options, Poke poke);
  ~StateWatch();

  // The run has looked, saw this (`appearance`), and waits for something else. What it saw before is forgotten.
  void expect(const base::RunId& run, const std::string& workstation, const std::string& seen);

 private:
  struct Expectation {
    std::string config;
    std::string workstation;  // its resource name
    std::string seen;
    base::Instant since, renewed;
    bool poked = false;
  };
  using Expectations = std::map<base::RunId, Expectation>;
  void work(std::stop_token stop);
  base::Duration interval(const Expectations& expected, base::Instant now) const;
  void look(const std::string& config, const Expectations& expected, std::stop_token stop);
  void compare(const Expectations& expected, const std::map<std::string, std::string>& appearances);

  google::WorkstationsClient& client_;
  const base::Clock& clock_;
  const WatchOptions options_;
  const Poke poke_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool has_new_ = false;  // somebody waits who did not at the last look
  Expectations expected_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace slipway::providers::workstations
