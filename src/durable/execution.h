#pragma once
// One live run: the plain state machine at the engine's heart. It turns inputs (an attempt returned, a time has come, a
// cancel was asked for) into events for the journal and one wish: what should happen next in the world. It does no I/O
// and runs on one thread; the engine commits the events and only then fulfils the wish. The simulation drives the same
// code.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "durable/input.h"
#include "durable/operation.h"
#include "durable/run.h"
#include "durable/run_state.h"
#include "durable/workflow.h"

namespace slipway::durable {

class Context;

// What is fixed about a run from its start.
struct RunRecord {
  RunId id;
  std::string type;
  std::string resource_type;
  std::string resource_id;
  std::string triggered_by;  // who asked
  std::string owner_id;      // who may see it
  json::Value input;
  Instant started_at;
  base::ReplicaId replica;  // who advances it from its start
  std::string parent_id;    // the run that started it and awaits its end; empty for most
};

// What an execution wants written, all of it in one commit, in this order.
struct Pending {
  std::vector<Event> events;
  std::vector<RunRecord> starts;       // child runs
  std::vector<Input> sends;            // to other runs
  std::vector<std::int64_t> consumed;  // inputs that were taken in: their rows go

  bool empty() const { return events.empty() && starts.empty() && sends.empty() && consumed.empty(); }
  void prepend(Pending&& earlier);
};

// A journal that does not fit the code parks the run: nothing is guessed.
enum class Wish {
  nothing,      // an attempt is under way
  attempt,      // run the pending operation once (take_attempt)
  transaction,  // run the pending transaction (take_transaction)
  wake,         // call on_wake at wake_at()
  ended,        // the run has its final event
  parked,       // the journal does not fit the code: park_reason() says where
};

class Execution {
 public:
  // `recorded` is the fold of the run's journal, which has at least run_started. All references outlive this.
  Execution(RunRecord record, const Workflow& workflow, RunState recorded, const base::Clock& clock,
            base::Random& random, Duration cancel_grace);
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  // ---- inputs

  void start();  // runs the body from the top; recorded steps answer from the journal
  void on_wake();
  // Takes in what came to the mailbox. Knows one that it has taken in before by its key.
  void on_input(const Input& input);
  // The world changed: a poll looks again at once instead of at its next time.
  void on_poke();
  // The operation has been under way for a while: tells readers so by an event.
  void announce();

  // Runs on any thread while the execution is kept alive; gives its result to on_attempt, on the loop.
  struct AttemptCall {
    std::int64_t id = 0;
    std::move_only_function<std::optional<Outcome>()> call;  // empty: a poll's 'not yet'
  };
  AttemptCall take_attempt();
  void on_attempt(std::int64_t id, std::optional<Outcome> outcome);
  // It was never begun: the wish for it stands again.
  void take_back_attempt(std::int64_t id);

  // The operation whose function is to run in the transaction that also writes `completion`, with its result put in.
  // Between this and on_transaction no other input is given.
  struct TransactionCall {
    Operation* operation = nullptr;
    Event completion;
  };
  TransactionCall take_transaction();
  void on_transaction(std::variant<Event, base::Error> committed);
  // The store could not be written: the same transaction again, at `at`. Counts as no attempt.
  void retry_transaction(Instant at) { want_wake(at); }

  // ---- outputs

  Pending& pending() { return pending_writes_; }  // not yet handed to the store
  Wish wish() const { return wish_; }
  Instant wake_at() const { return wake_at_; }
  const std::string& park_reason() const { return park_reason_; }
  const RunState& state() const { return state_; }
  const RunRecord& record() const { return record_; }
  const RunId& id() const { return record_.id; }
  const Workflow& workflow() const { return workflow_; }
  // Told when the run is cancelled or the engine shuts down.
  void request_stop() { stop_.request_stop(); }
  bool attempt_under_way() const { return running_attempt_ != 0; }

  // ---- for context.h

  void begin(Operation& operation);
  void suspend(Operation& operation);
  json::Value take(Operation& operation);
  void compute(Operation& operation, std::move_only_function<json::Value()> function);
  void add_compensation(Compensation compensation);

 private:
  void on_cancel(const std::string& by);
  void append(EventType type, std::string step, json::Object data);
  void record_outcome(Operation& operation, Outcome outcome);
  void resume(Operation& operation);
  void after_body();
  void finish(RunStatus status, const base::Error& error);
  void next_compensation();
  void want_wake(Instant at);
  void want_attempt();
  void park(std::string reason);
  void decide(Operation& operation);
  void on_step_error(const base::Error& error);
  void on_look(std::optional<Outcome> outcome);
  void on_undo(std::optional<Outcome> outcome);
  void complete(Operation& operation, Outcome outcome);
  json::Object attempt_data(std::int64_t attempt, const base::Error& error, Instant retry_at) const;

  RunRecord record_;
  const Workflow& workflow_;
  RunState state_;
  const base::Clock& clock_;
  base::Random& random_;
  const Duration cancel_grace_;

  std::unique_ptr<Context> context_;
  Run<json::Value> body_;
  bool forced_ = false;  // cancelled by force: the body is never resumed again

  std::unordered_map<std::string, int> names_;  // how often each name was used so far
  std::size_t replayed_ = 0;                    // recorded outcomes that the body has asked for
  std::size_t recorded_ = 0;                    // recorded outcomes there were at the start

  Operation* pending_ = nullptr;
  std::int64_t attempts_ = 0;  // failed attempts of the pending operation, or of the compensation under way
  std::optional<Instant> operation_started_at_;
  std::string failed_step_;  // the last step whose failure was thrown into the body

  std::vector<Compensation> compensations_;
  std::size_t compensations_left_ = 0;
  std::optional<RunStatus> ending_as_;
  std::optional<base::Error> ending_error_;

  Pending pending_writes_;
  Wish wish_ = Wish::nothing;
  Instant wake_at_;
  std::string park_reason_;
  std::int64_t last_attempt_id_ = 0;
  std::int64_t running_attempt_ = 0;
  std::stop_source stop_;
  bool poked_ = false;  // while an attempt was under way
};

}  // namespace slipway::durable
