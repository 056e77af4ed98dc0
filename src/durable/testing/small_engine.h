#pragma once
// The smallest engine that can drive executions: journals, mailboxes and clock in memory, every commit at once, one
// thing after another. For tests of what workflows can do; what the real engine must bear is the simulation's subject.

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/random.h"
#include "durable/execution.h"
#include "durable/workflow.h"

namespace slipway::durable::testing {

class SmallEngine final : public base::Clock {
 public:
  using Body = std::function<Run<json::Value>(Context&, const json::Value&)>;

  Instant now() const override { return now_; }

  // A second one of the same type is new code: it counts from the next crash on.
  Workflow& add(const std::string& type, Body body);
  RunId start(const std::string& type, json::Value input = nullptr);
  void signal(const RunId& run, const std::string& name, json::Value payload = nullptr, const std::string& key = "");
  void cancel(const RunId& run);
  void poke(const RunId& run);

  // Until nothing can move any more, or `stop` says so; where only time can move something, the clock jumps.
  void play(std::function<bool()> stop = [] { return false; });
  // The process dies; what was committed remains, and is taken up again.
  void crash();
  // Called by a step's function: this attempt will not return, until `release`.
  void hang() { hangs_ = true; }
  void release();

  RunState state(const RunId& run) const;
  const std::vector<Event>& journal(const RunId& run) const { return runs_.at(run).journal; }
  // The run that `parent` started for that step.
  RunId child_of(const RunId& parent, const std::string& step) const { return RunId(state(parent).find(step)->child); }
  Wish wish(const RunId& run) const { return runs_.at(run).execution->wish(); }
  const std::string& park_reason(const RunId& run) const { return runs_.at(run).execution->park_reason(); }
  std::size_t attempts_under_way() const { return returned_.size() + hanging_.size(); }
  std::size_t most_attempts_under_way = 0;
  // Recovery reads the journal from its last beginning only.
  static std::vector<Event> last_generation(const std::vector<Event>& journal);

 private:
  struct Stored {
    RunRecord record;
    std::vector<Event> journal;
    std::deque<Input> mailbox;
    std::shared_ptr<Execution> execution;
  };
  struct Returned {
    RunId run;
    std::shared_ptr<Execution> execution;
    std::int64_t attempt = 0;
    std::optional<Outcome> outcome;
  };

  void take_up(Stored& run);
  void insert(RunRecord record);
  void send(Input input);
  void commit(Stored& run);
  bool step();
  bool deliver(Stored& run);
  bool fulfil(Stored& run);

  Instant now_ = base::from_unix_ms(1'700'000'000'000);
  base::SeededRandom random_{11};
  base::IdGenerator ids_{*this, random_};
  RetryBudgets budgets_;
  std::map<std::string, Workflow> workflows_, next_workflows_;
  std::map<RunId, Stored> runs_;
  std::deque<Returned> returned_;
  std::vector<Returned> hanging_;
  bool hangs_ = false;
  std::int64_t last_input_ = 0;
};

}  // namespace slipway::durable::testing
